//! Certificates that end soon: told beside any answer, once.

use certs::Authority;
use certs::store::Existing;
use jiff::SignedDuration;

use crate::impostors::Minted;
use crate::site::{Site, text};

/// A home whose own identity has a certificate that ends so soon, and its agent.
fn site(own_hours: i64, agent_hours: i64) -> (Site, String) {
    let mut site = Site::new();
    let authority = Authority::load(&site.home().join("authority.pem")).unwrap();
    let mint = |identity, hours| {
        let (from, until) = (SignedDuration::from_hours(-2400), SignedDuration::from_hours(hours));
        Minted { from, until, ..Minted::good(&authority, identity) }.credentials()
    };
    let own = mint("rollcall://controller/alice", own_hours);
    own.save(&site.home().join("identity.pem"), Existing::Replace).unwrap();
    let listener = site.listener("127.0.0.1:0");
    let address = listener.local_addr().unwrap().to_string();
    site.serve(&mint("rollcall://agent/web-1", agent_hours), listener);
    (site, address)
}

const FAR: i64 = 24 * 15;

#[test]
fn any_answer_comes_with_a_remark_on_what_ends_soon() {
    let (site, address) = site(FAR, 148);
    for words in [&["uptime", &address][..], &["echo", &address, "hello"], &["ping", &address, "-c", "1"]] {
        let output = site.run(words);
        assert_eq!(output.status.code(), Some(0));
        let expected =
            format!("web-1's certificate ends in 6 d 3 h; renew it with: controller renew {address}\n");
        assert_eq!(text(&output.stderr), expected, "{words:?}");
        assert!(!text(&output.stdout).contains("renew"));
    }
    let quiet = site.run(&["--quiet", "uptime", &address]);
    assert_eq!((quiet.status.code(), text(&quiet.stderr)), (Some(0), String::new()));
}

#[test]
fn ones_own_certificate_is_told_of_too_and_the_far_end_is_not() {
    let (site, address) = site(13 * 24, FAR);
    let expected = "your own certificate ends in 12 d 23 h; to renew it, move identity.pem away and run `controller \
                    init` again, or, where the authority is not kept, `controller operator request`\n";
    assert_eq!(text(&site.run(&["uptime", &address]).stderr), expected);
}

#[test]
fn doctor_warns_of_both() {
    let (site, address) = site(13 * 24, 13 * 24);
    let page = site.good(&["doctor", &address]);
    for line in [
        "your own certificate ends in 12 d 23 h\n    try: ",
        "web-1's certificate ends in 12 d 23 h\n    try: ",
    ] {
        assert!(page.contains(line), "{page}");
    }
    assert!(page.ends_with(&format!("{address} answers, with 2 warnings\n")), "{page}");
    assert!(site.run(&["doctor", &address]).stderr.is_empty());
}
