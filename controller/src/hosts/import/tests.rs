//! What each format means, by tables; and that no text is too bad to be read.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::hosts::Inventory;

const FORMATS: [Format; 4] = [Format::Ansible, Format::AnsibleYaml, Format::Ssh, Format::Plain];

/// All that a file comes to, a line each.
fn told(format: Format, text: &str, labels: &[&str], inventory: &Inventory) -> String {
    let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
    let catch = match read(text, format, &labels) {
        Ok(catch) => catch,
        Err(fault) => return fault + "\n",
    };
    let import = settle(catch, inventory).unwrap();
    let mut all = String::new();
    for (name, machine) in &import.new {
        let mut words = vec![name.to_string()];
        words.extend(machine.addresses.iter().cloned());
        words.extend(machine.port.map(|port| format!(":{port}")));
        words.extend(machine.labels.iter().map(|(key, value)| format!("{key}={value}")));
        words.extend(machine.groups.iter().map(|group| format!("@{group}")));
        writeln!(all, "{}", words.join(" ")).unwrap();
    }
    for (kind, remarks) in [("remark", &import.remarks), ("left out", &import.left_out)] {
        remarks.iter().for_each(|remark| writeln!(all, "{kind}: {remark}").unwrap());
    }
    all
}

fn check(format: Format, table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(told(format, text, &["rack"], &Inventory::default()), *expected, "{text}");
    }
}

#[test]
fn an_inventory_in_ini() {
    check(
        Format::Ansible,
        &[
            ("", ""),
            ("\u{feff}web-1\r\n; not me\n# nor me\nweb-2 # but me\n", "web-1\nweb-2\n"),
            ("web-1 ansible_host=192.0.2.7 rack='a 1' password=secret\n", "web-1 192.0.2.7 rack=a 1\n"),
            ("web-1\n[web]\nweb-1\n[db] # both\nweb-1 rack=b\n", "web-1 rack=b @db @web\n"),
            (
                "[web]\nweb[01:02].example.com\n[all:vars]\na=b\n[site:children]\nweb\n[world:children]\nsite\n",
                "web01 web01.example.com @site @web @world\nweb02 web02.example.com @site @web @world\n",
            ),
            (
                "[web]\na1\n[lab machines]\nb1\n[db\nc1\n[api]\nd1\n",
                "a1 @web\nd1 @api\n\
                 remark: line 3: a section is [NAME], [NAME:children] or [NAME:vars], without blanks\n\
                 remark: line 5: a section is [NAME], [NAME:children] or [NAME:vars], without blanks\n\
                 left out: line 4: stands in a section that is not known\n\
                 left out: line 6: stands in a section that is not known\n",
            ),
            // A group may come before its parts, and a circle has no end.
            ("[a:children]\nb\n[b:children]\na\n[b]\nweb-1\n", "web-1 @a @b\n"),
            (
                "web-1:2222\nweb-2 ansible_port=22\n[2001:db8::7]:22\n2001:db8::8\n",
                "web-1\nweb-2\n2001-db8--7 2001:db8::7\n2001-db8--8 2001:db8::8\n\
                 remark: line 1: ansible_port, or a port behind a host, is that of ssh, and is not taken\n",
            ),
            (
                "[web:hats]\nweb-1\n[bad!name]\nweb-2\n",
                "web-2\n\
                 remark: line 1: a section ends in :children or :vars, and not in `:hats`\n\
                 remark: line 4: group `bad!name` is left out, for a group is named by a-z, 0-9, -, _ and .\n\
                 left out: line 2: stands in a section that is not known\n",
            ),
            (
                "web[1-5]\nweb-1 a='b\nweb-2 ansible_host={{\u{20}x }}\n",
                "left out: line 1: `web[1-5]`: `[1-5]` is no range, which is [FROM:TO] or [FROM:TO:STEP]\n\
                 left out: line 2: a quote is not closed\n\
                 left out: line 3: `web-2`: `{{`: a host is a name, an address, NAME:PORT, ADDRESS:PORT or [IPV6]:PORT\n",
            ),
        ],
    );
}

#[test]
fn what_is_said_of_a_group_is_said_of_all_in_it() {
    check(
        Format::Ansible,
        &[
            (
                "a\n[web]\nb rack=own\nc\n[db]\nc\n[site:children]\ndb\n[all:vars]\nrack = all\nnot=me\n[web:vars]\n\
                 rack='of web'\n[site:vars]\nrack=of site\n",
                "a rack=all\nb rack=own @web\nc rack=of web @db @site @web\n",
            ),
            (
                "[web]\nc\n[site:children]\ndb\n[db]\nc\n[web:vars]\nrack=web\n[db:vars]\nrack=deeper\n",
                "c rack=deeper @db @site @web\n",
            ),
            (
                "[a]\nx\n[a:vars]\nrack\n",
                "x @a\nleft out: line 4: stands among variables, and is no NAME=VALUE\n",
            ),
            ("[a:children]\nb\n[b:children]\na\n[a]\nx\n[b:vars]\nrack=round\n", "x rack=round @a @b\n"),
        ],
    );
}

#[test]
fn an_inventory_in_yaml() {
    check(
        Format::AnsibleYaml,
        &[
            ("", ""),
            ("# nobody\n---\n", ""),
            (
                "all:\n  hosts:\n    web-1:\n    db.example.com: {ansible_host: 192.0.2.7, rack: 7, more: {rack: 8}}\n  \
                 vars: {rack: 9}\n",
                "web-1 rack=9\ndb 192.0.2.7 rack=7\n",
            ),
            (
                "all:\n  children:\n    site:\n      children:\n        web: {hosts: {'web[1:2]': null}}\n        db: ~\n",
                "web1 @site @web\nweb2 @site @web\n",
            ),
            ("{\"web\": {\"hosts\": {\"web-1\": {}}}}", "web-1 @web\n"),
            ("web:\n  hosts: {a: }\n  vars: [b]\n", "a @web\n"),
            ("web:\n  hosts: {a: }\n  vars:\n    ca: |\n      -----BEGIN CERTIFICATE-----\n", "a @web\n"),
            (
                "x: &x {hosts: {a: }}\nweb:\n  hosts: {b: }\n  vars: *x\n",
                "a @x\nb @web\nremark: line 4: an alias in `vars` is not followed\n",
            ),
            (
                "x: &x {hosts: {web-1: &v {ansible_port: 22}, web-2: {<<: *v}, web-3: *v}}\ny: *x\n",
                "web-1 @x\nweb-2 @x\nweb-3 @x\n\
                 remark: line 1: ansible_port, or a port behind a host, is that of ssh, and is not taken\n\
                 remark: line 1: an alias at web-2 is not followed\n\
                 left out: line 1: an alias in `web-3` is not followed\n\
                 left out: line 2: an alias in `y` is not followed\n",
            ),
            (
                "web:\n  hosts:\n    - web-1\n  hats: [a, {b: c}]\n  ? [a]\n  : b\n",
                "remark: line 4: `hats` is none of hosts, children and vars, and left out\n\
                 left out: line 3: `hosts` holds no mapping, such as `NAME:` a line\n\
                 left out: line 5: a key must be a word\n",
            ),
            ("- web-1\n", "line 1: an inventory begins with a group, as in `all:`\n"),
            ("a:\n---\nb:\n", "line 3: a second document begins here; import each from a file of its own\n"),
            (
                "a:\n  hosts: {web-1\n",
                "line 3: this is no YAML: while parsing a flow mapping, did not find expected ',' or '}'\n",
            ),
        ],
    );
}

#[test]
fn the_configuration_of_an_ssh_client() {
    check(
        Format::Ssh,
        &[
            ("", ""),
            (
                "Host web-1 web-2\n  HostName %h.example.com\n  User root\nhost=db-1\n\tHOSTNAME = \"192.0.2.7\" # here\n",
                "web-1 web-1.example.com\nweb-2 web-2.example.com\ndb-1 192.0.2.7\n",
            ),
            // What comes first counts.
            ("Host a\nHostName b\nHost a\nHostName c\n", "a b\n"),
            (
                "Include conf.d/*\nHost * !b\n  Port 22\n  ProxyJump c\nHost a b-*\n  HostName d\n  Port 23\n",
                "a d\n\
                 remark: line 1: `Include conf.d/*` is not followed; import those files too\n\
                 remark: line 3: `Port` is that of ssh, and is not taken\n\
                 remark: line 4: `ProxyJump` and `ProxyCommand` are not taken: agents are reached directly\n\
                 remark: line 6: `HostName` is not taken for hosts that a pattern means, such as `*`\n",
            ),
            (
                "Host a\nMatch host a\n  HostName b\nHost \"c\n",
                "a\n\
                 remark: line 2: `Match` is left out, with all that stands under it\n\
                 left out: line 4: a quote is not closed\n",
            ),
        ],
    );
}

#[test]
fn a_plain_list() {
    check(
        Format::Plain,
        &[
            ("", ""),
            ("web[01-02] # both\n\nweb01\ndb-1:7000\n", "web01\nweb02\ndb-1 :7000\n"),
            (
                "web-1 a=b\n",
                "left out: line 1: `a=b`: a host is a name, an address, NAME:PORT, ADDRESS:PORT or [IPV6]:PORT\n",
            ),
            ("192.0.2.7\n[2001:db8::7]:7000\n", "192-0-2-7 192.0.2.7\n2001-db8--7 2001:db8::7 :7000\n"),
            (
                "web-1:1\nweb-1:2\n@web\nweb[1-\n",
                "web-1 :1\n\
                 left out: line 2: `web-1` would be web-1 here, as `web-1` in line 1 is; rename one of them\n\
                 left out: line 3: `@web`, at character 1: there is no such group, known are @*, @last:failed, @last:ok\n\
                 left out: line 4: `web[1-`, at character 4: this bracket is not closed, a `]` is missing\n",
            ),
        ],
    );
}

#[test]
fn what_is_no_name_becomes_one_that_nobody_else_has() {
    check(
        Format::Ansible,
        &[
            ("Web_1.example.com\n", "web-1 Web_1.example.com\n"),
            (
                "web-1.example.com\nweb-1.example.org\ndb.example.org\n",
                "web-1-example-com web-1.example.com\nweb-1-example-org web-1.example.org\ndb db.example.org\n",
            ),
            ("web-1\nweb-1.example.org\n", "web-1\nweb-1-example-org web-1.example.org\n"),
            (
                "web_1\nWEB-1\n...\nw\u{e4}b\n",
                "web-1 web_1\n\
                 left out: line 2: `WEB-1` would be web-1 here, as `web_1` in line 1 is; rename one of them\n\
                 left out: line 3: `...` is no name, and none can be made of it\n\
                 left out: line 4: `w\u{e4}b` is no name, and none can be made of it\n",
            ),
        ],
    );
}

#[test]
fn who_is_known_stays_as_he_is() {
    let known = [("web-1", "192.0.2.1"), ("web-2", "web-2.example.com:7000"), ("web-3", "192.0.2.3")];
    let known = known.iter().fold(Inventory::default(), |inventory, (name, address)| {
        inventory.with(&name.parse().unwrap(), &[address.parse().unwrap()]).unwrap()
    });
    let text = "web-1 ansible_host=192.0.2.1\nweb-2.example.com\nweb-3.example.com\nweb-4\n";
    assert_eq!(
        told(Format::Ansible, text, &[], &known),
        "web-4\n\
         remark: line 3: web-3 is known already, at 192.0.2.3; it stays as it is, and web-3.example.com is not taken\n"
    );
}

#[test]
fn few_words_do_not_become_more_than_a_desk_holds() {
    let long = format!("w[0:999] rack={}\n", "x".repeat(300_000));
    let nested =
        |levels: usize| (0..levels).map(|level| format!("[g{}:children]\ng{level}\n", level + 1)).collect();
    let deep = |levels: usize| "{a: {children: ".repeat(levels);
    let aliases: String = (1..40).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect();
    for (format, text, expected) in [
        (
            Format::Ansible,
            "w[0:999999]\nx\n".to_owned(),
            "line 2: with this there are more than 1,000,000 machines",
        ),
        (
            Format::Ansible,
            long,
            "line 1: up to here, spelled out, this is more than 256 MiB; divide the file",
        ),
        (Format::Ansible, nested(101), "is a part of more than 100 others"),
        (Format::AnsibleYaml, deep(40), "line 1: more than 32 groups lie within each other here"),
        (Format::AnsibleYaml, "[".repeat(100_000), "line 1: this is no YAML: recursion limit exceeded"),
        (Format::AnsibleYaml, format!("a0: &a0 x\n{aliases}"), "left out: line 40: `a39` holds no mapping"),
        (
            Format::Ssh,
            format!("Host {}\nHostName {}\n", "a ".repeat(9), "%h".repeat(201)),
            "left out: line 2: a name has at most 400 characters",
        ),
    ] {
        let told = told(format, &text, &["rack"], &Inventory::default());
        assert!(told.contains(expected), "{expected}: {}", &told[told.len().saturating_sub(200)..]);
    }
}

proptest! {
    #[test]
    fn no_text_crashes_a_reader(text in any::<String>()) {
        for format in FORMATS {
            told(format, &text, &["rack"], &Inventory::default());
        }
    }

    /// What is taken can be written, and is known afterwards.
    #[test]
    fn texts_that_are_nearly_right_are_taken_or_told(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "web", "web-1", "a.b", "[", "]", "[1:3]", "[1-3]", ":", "\n", "\n  ", " ", "\"", "'", "#", "=", "{", "}",
                "- ", "*a", "&a ", "? ", "Host ", "HostName ", "%h", "children", "hosts:", "ansible_host=", "rack: ", ",",
            ]),
            0..40,
        ),
    ) {
        let text = words.concat();
        for format in FORMATS {
            if let Ok(catch) = read(&text, format, &["rack".to_owned()]) {
                let import = settle(catch, &Inventory::default()).unwrap();
                let known = Inventory::default().with_machines(&import.new).unwrap();
                let again = settle(read(&text, format, &["rack".to_owned()]).unwrap(), &known).unwrap();
                prop_assert_eq!((again.new.len(), again.known), (0, import.new.len()));
                prop_assert_eq!(known.machines().filter_map(Result::ok).count(), import.new.len());
            }
        }
    }
}
