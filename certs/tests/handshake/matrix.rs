//! Role x authority x name x date: accepted, or exactly this reason, on both sides.

use certs::tls::{self, ClientSide, Judge, Reason};
use certs::{Algorithm, Authority, Credentials, Role, Signed};
use jiff::Timestamp;

use crate::meeting::{Case, Dates, PROTOCOL, Verdict, shake};

fn date_reason(dates: Dates) -> Option<Reason> {
    match dates {
        Dates::Good => None,
        Dates::Over => Some(Reason::Expired(dates.validity().not_after)),
        Dates::Ahead => Some(Reason::NotYetValid(dates.validity().not_before)),
    }
}

/// Times move on while a test runs; a reason is compared without its seconds.
fn same(one: &Reason, other: &Reason) -> bool {
    let near = |a: &Timestamp, b: &Timestamp| (*a - *b).total(jiff::Unit::Second).unwrap().abs() < 60.0;
    match (one, other) {
        (Reason::Expired(a), Reason::Expired(b)) | (Reason::NotYetValid(a), Reason::NotYetValid(b)) => {
            near(a, b)
        }
        _ => one == other,
    }
}

/// Whom the controller means, what it dials, and whether that is this agent.
const MEANT: [(Option<&str>, &str, bool); 5] = [
    (Some("web-1"), "198.51.100.1", true),
    (Some("web-2"), "192.0.2.7", false),
    (None, "192.0.2.7", true),
    (None, "web-1", true),
    (None, "198.51.100.1", false),
];

const ALL_DATES: [Dates; 3] = [Dates::Good, Dates::Over, Dates::Ahead];

#[tokio::test]
async fn every_combination_is_accepted_or_refused_for_its_own_reason() {
    let ours = Authority::create(Algorithm::Ed25519).unwrap();
    let theirs = Authority::create(Algorithm::P256).unwrap();
    let mut seen = 0;
    for (agent_signer, controller_signer) in
        [(&ours, &ours), (&ours, &theirs), (&theirs, &ours), (&theirs, &theirs)]
    {
        for (agent_dates, controller_dates) in
            ALL_DATES.into_iter().flat_map(|one| ALL_DATES.map(|other| (one, other)))
        {
            for meant in MEANT {
                let agent = Case { dates: agent_dates, ..Case::good(Role::Agent) };
                let controller = Case { dates: controller_dates, ..Case::good(Role::Controller) };
                // Each side trusts our authority, whoever signed its own certificate.
                let sides = [
                    trusting(agent.credentials(agent_signer), &ours),
                    trusting(controller.credentials(controller_signer), &ours),
                ];
                let (named, dialled, is_meant) = meant;
                let server = tls::server_config(&sides[0], PROTOCOL).unwrap();
                let named = named.map(|name| name.parse().unwrap());
                let client = ClientSide::new(&sides[1], PROTOCOL).unwrap().config(named);
                let verdicts = shake(server, client, dialled).await;

                let foreign = |signer: &Authority| signer.certificate() != ours.certificate();
                let of_agent = date_reason(agent_dates)
                    .or(foreign(agent_signer).then_some(Reason::UnknownAuthority))
                    .or((!is_meant).then(|| Reason::WrongName(agent.identity.clone())));
                let of_controller = date_reason(controller_dates)
                    .or(foreign(controller_signer).then_some(Reason::UnknownAuthority));
                judge(of_agent.as_ref(), of_controller.as_ref(), verdicts);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 180);
}

/// The client judges first: what is wrong with the agent hides what is wrong with the controller.
fn judge(of_agent: Option<&Reason>, of_controller: Option<&Reason>, (client, server): (Verdict, Verdict)) {
    match (of_agent, of_controller) {
        (Some(expected), _) => {
            let (judge, reason) = client.unwrap_err();
            assert_eq!(judge, Judge::Us);
            assert!(same(&reason, expected), "{reason:?} is not {expected:?}");
            assert_eq!(server.unwrap_err().0, Judge::Peer);
        }
        (None, Some(expected)) => {
            let (judge, reason) = server.unwrap_err();
            assert_eq!(judge, Judge::Us);
            assert!(same(&reason, expected), "{reason:?} is not {expected:?}");
            let heard = match expected {
                Reason::Expired(_) | Reason::NotYetValid(_) => Reason::OutsideDates,
                other => other.clone(),
            };
            assert_eq!(client.unwrap_err(), (Judge::Peer, heard));
        }
        (None, None) => assert_eq!((client, server), (Ok(()), Ok(()))),
    }
}

fn trusting(credentials: Credentials, authority: &Authority) -> Credentials {
    let (key, certificate) = credentials.into_key_and_certificate();
    Credentials::new(key, Signed { certificate, authorities: authority.believed(), vouchers: Vec::new() })
        .unwrap()
}
