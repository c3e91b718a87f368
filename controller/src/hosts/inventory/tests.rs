use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

const MINE: &str = "# mine\n\n# the old one\n[hosts.db-1] # still here\naddresses = [\"192.0.2.1\"] # for now\n\n\
                    [groups]\nfront = \"web[1-9]\"\n\n[hosts.web-1]\nport = 7000\nlabels = { role = \"web\" }\n";

fn mine() -> Inventory {
    Inventory::parse(MINE.to_owned()).unwrap()
}

#[test]
fn a_slip_in_the_file_is_named_by_line() {
    for (text, fault) in [
        (
            "[hosts\n",
            "line 1: `[hosts` is not known here; a machine is [hosts.NAME], and there may be one [groups]",
        ),
        (
            "\n[web-1]\n",
            "line 2: `[web-1]` is not known here; a machine is [hosts.NAME], and there may be one [groups]",
        ),
        (
            "hosts = {}\n",
            "line 1: a machine has a table of its own, [hosts.NAME]; nothing may stand before the first",
        ),
        (
            "# port = 7\nport = 7\n[hosts.a]\n",
            "line 2: a machine has a table of its own, [hosts.NAME]; nothing may stand before the first",
        ),
        ("[hosts.Web-1]", "line 1: `Web-1` cannot be a name: a name has only a-z, 0-9 and -"),
        ("[hosts.a]\n[hosts.a]\n", "line 2: a stands here twice"),
        ("[hosts.a]\n\n[groups]\nweb = 1\n", "line 4: invalid type: integer `1`, expected a string"),
    ] {
        assert_eq!(Inventory::parse(text.to_owned()).unwrap_err(), fault);
    }
    for (text, fault) in [
        (
            "[hosts.a]\naddress = []\n",
            "line 2: unknown field `address`, expected one of `addresses`, `port`, `identity`, `labels`, `groups`",
        ),
        (
            "# \n[hosts.a]\naddresses = [\"web-1:0\"]",
            "line 2: a: `web-1:0`: a port is a number from 1 to 65535",
        ),
        ("[hosts.a]\nport = 0", "line 1: a: a port is a number from 1 to 65535"),
        (
            "[hosts.a]\ngroups = [\"a b\"]",
            "line 1: a: `a b`: a label or a group is named by a-z, 0-9, -, _ and .",
        ),
    ] {
        let inventory = Inventory::parse(text.to_owned()).unwrap();
        assert_eq!(inventory.machine(&name("a")).unwrap_err(), fault);
    }
}

#[test]
fn what_people_wrote_in_the_file_stays() {
    let web_2 = name("web-2");
    let more = mine().with(&web_2, &[endpoint("192.0.2.7")]).unwrap();
    assert_eq!(more.text(), format!("{MINE}\n[hosts.web-2]\naddresses = [\"192.0.2.7:5669\"]\n"));
    for same in [&[endpoint("192.0.2.7")][..], &[]] {
        assert_eq!(more.with(&web_2, same).unwrap().text(), more.text());
    }
    let moved = more.with(&web_2, &[endpoint("192.0.2.8")]).unwrap_err();
    assert_eq!(moved, "web-2 is already known, at 192.0.2.7:5669");
    assert_eq!(more.without(&[web_2]).unwrap().text(), format!("{MINE}\n"));
}

#[test]
fn what_goes_takes_its_comments_along_and_nothing_else() {
    let rest = mine().without(&[name("db-1")]).unwrap();
    assert_eq!(
        rest.text(),
        MINE.replacen(
            "# the old one\n[hosts.db-1] # still here\naddresses = [\"192.0.2.1\"] # for now\n\n",
            "",
            1
        )
    );
    let names: Vec<_> = rest.names().collect();
    assert_eq!(names, ["web-1"]);
}

#[test]
fn who_is_called_otherwise_must_still_prove_who_he_is() {
    let renamed = mine().renamed(&name("web-1"), &name("front-1")).unwrap();
    let machine = renamed.machine(&name("front-1")).unwrap().unwrap();
    assert_eq!(machine.identity.as_deref(), Some("web-1"));
    assert_eq!(machine.endpoints("front-1").unwrap(), [endpoint("web-1:7000")]);
    assert!(renamed.text().contains("labels = { role = \"web\" }\n"));
    let back = renamed.renamed(&name("front-1"), &name("web-1")).unwrap();
    assert_eq!(back.machine(&name("web-1")).unwrap().unwrap().identity, None);
    assert!(mine().renamed(&name("web-1"), &name("db-1")).is_err());
}

#[test]
fn labels_and_groups_change_where_they_stand() {
    let text = "[hosts.db-1]\nlabels = { zone = \"b\", role = \"db\" } # why\n\
                groups = [ # all\n  \"z-last\", # one\n  \"a-first\", # two\n]\n\
                [hosts.db-2]\n# where\nlabels.zone = \"x\" # z\nlabels.role = \"db\" # r\ngroups = [\"z\", \"a\"] # g\n";
    let mine = Inventory::parse(text.to_owned()).unwrap();
    let changed = ["db-1", "db-2"].map(|host| {
        let mut machine = mine.machine(&name(host)).unwrap().unwrap();
        machine.labels.insert("zone".to_owned(), "y".to_owned());
        machine.labels.insert("age".to_owned(), "1".to_owned());
        machine.groups.insert("mid".to_owned());
        machine.groups.remove("z");
        (name(host), machine)
    });
    let changed = mine.changed(&changed).unwrap();
    assert_eq!(
        changed.text(),
        "[hosts.db-1]\nlabels = { zone = \"y\", role = \"db\", age = \"1\" } # why\n\
         groups = [ # all\n  \"z-last\", # one\n  \"a-first\", # two\n  \"mid\",\n]\n\
         [hosts.db-2]\n# where\nlabels.zone = \"y\" # z\nlabels.role = \"db\" # r\nlabels.age = \"1\"\ngroups = [\"a\", \"mid\"] # g\n"
    );
}

#[test]
fn a_label_is_changed_and_the_rest_is_as_it_was() {
    let db_1 = name("db-1");
    let mut machine = mine().machine(&db_1).unwrap().unwrap();
    machine.labels.insert("role".to_owned(), "db".to_owned());
    let labelled = mine().changed(&[(db_1.clone(), machine.clone())]).unwrap();
    let line = "addresses = [\"192.0.2.1\"] # for now\n";
    assert_eq!(labelled.text(), MINE.replacen(line, &format!("{line}labels = {{ role = \"db\" }}\n"), 1));
    machine.addresses = vec!["192.0.2.9".to_owned()];
    machine.labels.clear();
    let moved = labelled.changed(&[(db_1, machine)]).unwrap();
    assert_eq!(moved.text(), MINE.replacen("192.0.2.1", "192.0.2.9", 1));
}

#[test]
fn a_file_is_changed_however_it_is_written() {
    let parse = |text: &str| Inventory::parse(text.to_owned()).unwrap();
    let (web_1, web_2) = (name("web-1"), name("web-2"));
    for header in ["[hosts.web-1] # last", "[hosts.'web-1']", "  [ hosts . \"web-1\" ]"] {
        let mut machine = Machine::default();
        machine.labels.insert("zone".to_owned(), "b".to_owned());
        let labelled = parse(header).changed(&[(web_1.clone(), machine)]).unwrap();
        assert_eq!(labelled.text(), format!("{header}\nlabels = {{ zone = \"b\" }}\n"));
        let renamed = parse(header).renamed(&web_1, &web_2).unwrap();
        let at = renamed.machine(&web_2).unwrap().unwrap().addresses;
        assert_eq!(at, ["web-1"], "{}", renamed.text());
    }
    let indented = parse("[hosts.web-1]\n  [hosts.web-2]\n  port = 7\n");
    assert_eq!(
        indented.without(std::slice::from_ref(&web_1)).unwrap().text(),
        "  [hosts.web-2]\n  port = 7\n"
    );
    let ended = parse("[hosts.web-1]\nport = 7\n# the end\n");
    assert_eq!(ended.without(std::slice::from_ref(&web_1)).unwrap().text(), "# the end\n");
    assert_eq!(indented.renamed(&web_2, &web_2).unwrap().text(), indented.text());
    let torn = parse("[hosts.web-1]\nlabels = { note = \"\"\"\n[hosts.web-2]\n\"\"\" }\n");
    assert_eq!(
        torn.without(&[web_2]).unwrap_err(),
        "line 2: a text of several lines begins here; write it on one, and commands can change this file"
    );
}

#[test]
fn only_tables_that_hold_a_word_are_read_for_it() {
    let text = "[hosts.a]\ngroups = [\"web\"]\n[hosts.b]\nbroken\n";
    let inventory = Inventory::parse(text.to_owned()).unwrap();
    let found: Vec<_> = inventory.machines_with("web").map(|found| found.unwrap().0).collect();
    assert_eq!(found, ["a"]);
    assert!(inventory.machines().any(|machine| machine.is_err()));
}
