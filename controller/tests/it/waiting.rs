//! Waiting until machines are as they should be, with the built program.

use std::fs;
use std::time::Duration;

use crate::health::gone;
use crate::site::{Site, controller, text, unheard};

#[test]
fn who_waits_for_health_is_told_that_nobody_answers() {
    let site = gone();
    let output = site.run(&["wait", "web-1", "--for", "healthy", "--timeout", "50ms", "--interval", "10ms"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("try: look there with `agent status`"), "{}", text(&output.stderr));
    fs::write(site.home().join("hosts.toml"), "[hosts.web-1]\nport = 0\n").unwrap();
    let output = site.run(&["wait", "web-1", "--for", "healthy"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("line 1: web-1: a port is"), "{}", text(&output.stderr));
}

#[test]
fn who_waits_looks_last_at_the_deadline() {
    let site = gone();
    let began = std::time::Instant::now();
    let output = site.run(&["wait", "web-1", "--timeout", "700ms", "--interval", "500ms"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
    assert!(text(&output.stderr).contains("; waited 700ms"), "{}", text(&output.stderr));
}

#[test]
fn a_script_goes_on_when_the_machine_is_back() {
    let mut site = Site::new();
    let socket = unheard();
    let address = socket.local_addr().unwrap();
    let credentials = site.issue("web-1", &address.to_string());
    let mut waiting = controller(&site.home(), &["wait", "web-1", "--timeout", "60s", "-i", "10ms"]);
    let mut waiting = waiting.spawn().unwrap();
    let refused = site.run(&["wait", "web-1", "--timeout", "50ms", "-i", "10ms"]);
    assert_eq!(refused.status.code(), Some(3));
    let listener = site.runtime.block_on(async { socket.listen(64) }).unwrap();
    site.serve(&credentials, listener);
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
    site.good(&["wait", "web-1", "--for", "uptime>1us"]);
    let began = std::time::Instant::now();
    let vain = site.run(&["wait", "web-1", "--for", "uptime<1us", "--timeout", "1s", "-i", "100ms"]);
    assert_eq!(vain.status.code(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(site.run(&["wait", "web-1", "--for", "tea"]).status.code(), Some(2));
}
