//! Who is believed changes: by revocation, and while one authority takes the place of another.

use std::sync::Arc;

use certs::tls::{self, ClientSide, Judge, Reason};
use certs::{Algorithm, Authority, Credentials, Revocations, Role};

use crate::meeting::{Case, PROTOCOL, Verdict, shake};

#[tokio::test]
async fn a_revoked_certificate_is_refused_by_either_side_at_once() {
    let authority = Authority::create(Algorithm::Ed25519).unwrap();
    let credentials = |role| Case::good(role).credentials(&authority);
    let knowing = |role| credentials(role).with_revocations(Arc::new(Revocations::default()));
    let client = |credentials: &Credentials| {
        ClientSide::new(credentials, PROTOCOL).unwrap().config(Some("web-1".parse().unwrap()))
    };
    let (agent, alice) = (knowing(Role::Agent), knowing(Role::Controller));
    let meet = async || {
        let server = tls::server_config(&agent, PROTOCOL).unwrap();
        shake(server, client(&alice), "web-1").await
    };
    assert_eq!(meet().await, (Ok(()), Ok(())));

    let other = authority.revoke(0, [&credentials(Role::Agent).own().serial]).unwrap();
    agent.revocations().take(other.clone()).unwrap();
    alice.revocations().take(other).unwrap();
    assert_eq!(meet().await, (Ok(()), Ok(())), "another certificate of that name is not concerned");

    // The same configuration as before: what is in force learns of it.
    let server = tls::server_config(&agent, PROTOCOL).unwrap();
    let asking = client(&alice);
    agent
        .revocations()
        .take(authority.revoke(agent.revocations().number(), [&alice.own().serial]).unwrap())
        .unwrap();
    let seen = shake(server, asking, "web-1").await;
    assert_eq!(seen, (Err((Judge::Peer, Reason::Revoked)), Err((Judge::Us, Reason::Revoked))));

    let bob = knowing(Role::Controller);
    bob.revocations().take(authority.revoke(2, [&agent.own().serial]).unwrap()).unwrap();
    let server = tls::server_config(&agent, PROTOCOL).unwrap();
    let seen = shake(server, client(&bob), "web-1").await;
    assert_eq!(seen.0, Err((Judge::Us, Reason::Revoked)));
}

/// How far one side has come while one authority takes the place of another.
const STAGES: [&str; 4] = ["before", "both", "alone", "after"];

#[tokio::test]
async fn while_an_authority_is_replaced_neighbouring_stages_believe_each_other() {
    for algorithm in [Algorithm::Ed25519, Algorithm::P256] {
        let mut authority = Authority::create(algorithm).unwrap();
        let mut sides = Vec::new();
        for stage in STAGES {
            authority = match stage {
                "both" => authority.succeed(Algorithm::Ed25519).unwrap(),
                "alone" => authority.alone(),
                "after" => authority.settled(),
                _ => authority,
            };
            let [agent, controller] =
                [Role::Agent, Role::Controller].map(|role| Case::good(role).credentials(&authority));
            // As a machine keeps it, and as a controller does.
            let controller = match stage {
                "alone" => controller.believing(authority.believed()).unwrap(),
                _ => controller,
            };
            sides.push((agent, controller));
        }
        for (at, (agent, _)) in sides.iter().enumerate() {
            for (other, (_, controller)) in sides.iter().enumerate() {
                let server = tls::server_config(agent, PROTOCOL).unwrap();
                let named = Some("web-1".parse().unwrap());
                let client = ClientSide::new(controller, PROTOCOL).unwrap().config(named);
                let (stage, others) = (STAGES[at], STAGES[other]);
                let seen = shake(server, client, "web-1").await;
                if at.abs_diff(other) <= 1 {
                    assert_eq!(seen, (Ok(()), Ok(())), "agent {stage}, controller {others}");
                } else if (at, other) == (0, 3) || (at, other) == (3, 0) || (at, other) == (0, 2) {
                    // Who never changed over is a stranger to whoever has forgotten the old authority.
                    let refused =
                        |verdict: Verdict| verdict.is_err_and(|(_, why)| why == Reason::UnknownAuthority);
                    assert!(refused(seen.0) && refused(seen.1), "agent {stage}, controller {others}");
                }
            }
        }
    }
}
