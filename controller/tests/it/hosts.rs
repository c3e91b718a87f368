//! Lists of machines from other programs, with the built program.

use std::fs;

use crate::site::{Site, text};

const INVENTORY: &str = "\
mail ansible_host=192.0.2.1 ansible_port=2222 rack=a

[web]
Web_1.example.com
web[02:03].example.com rack=b

[site:children]
web

[db]
db-1 ansible_host='not an address'
";

#[test]
fn machines_of_an_inventory_become_known() {
    let site = Site::new();
    let file = site.path("inventory");
    fs::write(&file, INVENTORY).unwrap();
    let before = fs::read_to_string(site.home().join("hosts.toml")).ok();
    let mut pages = String::new();
    for words in [&["--dry-run"][..], &["--labels", "rack"], &[], &["--format", "plain", "--quiet"]] {
        let output = site.run(&[&["hosts", "import", file.to_str().unwrap()], words].concat());
        let (out, said) = (text(&output.stdout), text(&output.stderr));
        let code = output.status.code().unwrap();
        pages += &format!("$ controller hosts import inventory {}\n{out}{said}[{code}]\n\n", words.join(" "));
        if words == ["--dry-run"] {
            assert_eq!(fs::read_to_string(site.home().join("hosts.toml")).ok(), before);
        }
    }
    pages += &site.good(&["hosts", "list"]);
    assert_eq!(site.good(&["hosts", "list", "--fold", "@site"]), "web[02-03],web-1\n");
    insta::assert_snapshot!(pages);
}

#[test]
fn every_format_is_recognised_on_standard_input() {
    for (input, listed) in [
        ("web[01-02]\ndb-1:7000\n", "db-1,web[01-02]\n"),
        ("web[01:02]\n", "web[01-02]\n"),
        ("all:\n  hosts:\n    web-1:\n", "web-1\n"),
        ("Host web-1 *.example.com\n  HostName 192.0.2.7\n", "web-1\n"),
    ] {
        let site = Site::new();
        let output = site.run_with_input(&["hosts", "import", "-"], input.as_bytes());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(site.good(&["hosts", "list", "--fold"]), listed);
    }
}

#[test]
fn what_is_no_list_changes_nothing() {
    let site = Site::new();
    let mut pages = String::new();
    for (words, input) in [
        (&["hosts", "import", "-"][..], &b"\xff"[..]),
        (&["hosts", "import", "nowhere"], b""),
        (&["hosts", "import", "-"], b"-----BEGIN PRIVATE KEY-----\nsecret\n"),
        (&["can", "@*", "info"], b""),
        (&["can", "web-[1-2]", "info"], b""),
        (&["can", "web-1", "info", "--output", "csv"], b""),
        (&["hosts", "import", "-", "--format", "ansible-yaml"], b"all: ["),
        (&["hosts", "import", "-"], b"web[0:999999]\nx\n"),
        (&["hosts", "import", "-", "--labels", "a b"], b""),
        (&["adopt", "--file", "-"], b"\xff"),
        (&["adopt", "--file", "-"], b"web-1\n"),
    ] {
        let output = site.run_with_input(words, input);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{words:?}");
        pages += &text(&output.stderr);
    }
    site.good(&["hosts", "add", "web-1"]);
    site.good(&["hosts", "add", "web-2"]);
    for words in [&["add", "web-1"][..], &["rename", "web-1", "web-2"]] {
        let output = site.run(&[&["hosts"], words].concat());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{words:?}");
        pages += &text(&output.stderr);
    }
    site.good(&["hosts", "remove", "web-[1-2]"]);
    let many: String = (0..30).map(|_| "web[1-\n").collect();
    let output = site.run_with_input(&["hosts", "import", "-"], many.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    pages += text(&output.stderr).lines().skip(19).collect::<Vec<_>>().join("\n").as_str();
    insta::assert_snapshot!(pages);
    assert_eq!(site.good(&["hosts", "list", "--count", "a"]), "1\n");
    assert_eq!(text(&site.run(&["hosts", "list"]).stderr).lines().count(), 1);
}

#[test]
fn what_was_done_to_the_list_is_said_in_a_line() {
    let site = Site::new();
    let file = site.home().join("hosts.toml");
    let groups = "[groups]\nfront = \"web-[1-3]\"\nlab = \"lab-*\"\nall = \"@front,db-1\"\n";
    fs::write(&file, groups).unwrap();
    let mut pages = String::new();
    for words in [
        &["add", "web-1", "--address", "192.0.2.7", "--address", "[2001:db8::7]:7000"][..],
        &["add", "web-2"],
        &["add", "db-1", "--quiet"],
        &["label", "@*", "role=web"],
        &["label", "@*", "role=web"],
        &["label", "@*,web-1", "--where", "role=web", "zone=a"],
        &["rename", "web-1", "store-1"],
        &["rename", "store-1", "web-1"],
        &["remove", "web-[1-2]"],
        &["remove", "db-1", "--quiet"],
    ] {
        let output = site.run(&[&["hosts"], words].concat());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), String::new()), "{words:?}");
        pages += &format!("$ controller hosts {}\n{}\n", words.join(" "), text(&output.stderr));
    }
    insta::assert_snapshot!(pages.replace(site.home().to_str().unwrap(), "[home]"));
}

#[test]
fn a_file_has_one_way_to_end_its_lines() {
    let site = Site::new();
    let file = site.home().join("hosts.toml");
    let written = "# mine\r\n[hosts.web-1]\r\nport = 7000 # odd\r\n\r\n[hosts.web-2]\r\n[hosts.db-1]\r\n";
    fs::write(&file, written).unwrap();
    assert_eq!(site.good(&["hosts", "list", "--fold"]), "db-1,web-[1-2]\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
    for words in [
        &["add", "web-3"][..],
        &["label", "web-1", "role=web", "--group", "front"],
        &["rename", "web-2", "web-9"],
        &["remove", "db-1"],
    ] {
        site.good(&[&["hosts"], words].concat());
    }
    let text = fs::read_to_string(&file).unwrap();
    let first =
        "# mine\n[hosts.web-1]\nport = 7000 # odd\nlabels = { role = \"web\" }\ngroups = [\"front\"]\n";
    assert!(text.starts_with(first) && !text.contains('\r'), "{text:?}");
    assert_eq!(site.good(&["hosts", "list", "--fold"]), "web-[1,3,9]\n");
}

#[test]
fn a_list_that_is_kept_elsewhere_stays_there() {
    let site = Site::new();
    let kept = site.path("kept.toml");
    fs::write(&kept, "").unwrap();
    std::os::unix::fs::symlink(&kept, site.home().join("hosts.toml")).unwrap();
    site.good(&["hosts", "add", "web-1"]);
    assert!(fs::read_to_string(&kept).unwrap().contains("[hosts.web-1]"));
    assert!(site.home().join("hosts.toml").is_symlink());
    // Also where that is the home itself, which is locked once.
    fs::write(site.home().join("mine.toml"), "").unwrap();
    fs::remove_file(site.home().join("hosts.toml")).unwrap();
    std::os::unix::fs::symlink("mine.toml", site.home().join("hosts.toml")).unwrap();
    site.good(&["hosts", "add", "web-1", "--address", "127.0.0.1:7000"]);
    site.good(&["hosts", "label", "web-1:7000", "role=web"]);
    assert!(fs::read_to_string(site.home().join("mine.toml")).unwrap().contains("role"));
    site.good(&["hosts", "remove", "web-1"]);
    assert_eq!(site.good(&["hosts", "list", "--count"]), "0\n");
    assert!(site.good(&["hosts", "list", "--output", "json"]).contains("\"hosts\": []"));
    fs::remove_file(site.home().join("mine.toml")).unwrap();
    let output = site.run(&["hosts", "add", "web-2"]);
    assert!(text(&output.stderr).contains("is a link, and leads nowhere"), "{}", text(&output.stderr));
    assert!(site.home().join("hosts.toml").is_symlink());
}

#[test]
fn a_label_with_a_comma_can_be_asked_for() {
    let site = Site::new();
    for (name, label) in [("a", "use=web, mail"), ("b", "use=web")] {
        site.good(&["hosts", "add", name, "--label", label]);
    }
    let listed = |text: &str| site.good(&["hosts", "list", "--expand", "--where", text]);
    assert_eq!(listed("use=\"web, mail\""), "a\n");
    assert_eq!(listed("use!=\"web, mail\",use=web"), "b\n");
}
