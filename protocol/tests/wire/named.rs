//! Requests about things that are named.

use protocol::requests::files::{Facts, Files, Kind as FileKind, Look, Looks};
use protocol::requests::processes::{Count, Counts, Processes};
use protocol::requests::services::{Service, Services, State as UnitState, Units};

use crate::{at, check};

pub(crate) fn things() -> [&'static str; 3] {
    let names = || vec!["cron".to_owned()];
    let count = |oldest_started| Count { name: "cron".to_owned(), running: 2, zombies: 1, oldest_started };
    let counts = Counts { processes: vec![count(Some(at(0))), count(None)] };
    let counts_json = concat!(
        r#"{"processes":[{"name":"cron","running":2,"zombies":1,"oldest_started":"1970-01-01T00:00:00Z"},"#,
        r#"{"name":"cron","running":2,"zombies":1}]}"#
    );
    let paths = vec!["/a".to_owned()];
    [
        check(&Files { paths }, r#"{"paths":["/a"]}"#, &looks(), LOOKS),
        check(&Processes { names: names() }, r#"{"names":["cron"]}"#, &counts, counts_json),
        check(&Services { names: names() }, r#"{"names":["cron"]}"#, &units(), UNITS),
    ]
}

fn units() -> Units {
    let state = |since, restarts| {
        let text = |text: &str| text.to_owned();
        Some(UnitState {
            load: text("loaded"),
            active: text("active"),
            sub: text("running"),
            since,
            restarts,
        })
    };
    let service = |state, problem: Option<&str>| Service {
        name: "a.service".to_owned(),
        state,
        problem: problem.map(str::to_owned),
    };
    let services = vec![
        service(state(Some(at(0)), Some(2)), None),
        service(state(None, None), None),
        service(None, Some("no")),
    ];
    Units { services }
}

const UNITS: &str = concat!(
    r#"{"services":[{"name":"a.service","state":{"load":"loaded","active":"active","sub":"running","#,
    r#""since":"1970-01-01T00:00:00Z","restarts":2}},"#,
    r#"{"name":"a.service","state":{"load":"loaded","active":"active","sub":"running"}},"#,
    r#"{"name":"a.service","problem":"no"}]}"#
);

fn looks() -> Looks {
    let facts = |kind, modified| Facts { kind, size_bytes: 3, modified };
    let look = |exists, facts, problem: Option<&str>| Look {
        path: "/a".to_owned(),
        exists,
        facts,
        problem: problem.map(str::to_owned),
    };
    Looks {
        files: vec![
            look(Some(true), Some(facts(FileKind::File, Some(at(0)))), None),
            look(Some(true), Some(facts(FileKind::Folder, None)), None),
            look(Some(true), Some(facts(FileKind::Other, None)), None),
            look(Some(false), None, None),
            look(None, None, Some("no")),
        ],
    }
}

const LOOKS: &str = concat!(
    r#"{"files":[{"path":"/a","exists":true,"facts":{"kind":"file","size_bytes":3,"modified":"1970-01-01T00:00:00Z"}},"#,
    r#"{"path":"/a","exists":true,"facts":{"kind":"folder","size_bytes":3}},"#,
    r#"{"path":"/a","exists":true,"facts":{"kind":"other","size_bytes":3}},"#,
    r#"{"path":"/a","exists":false},{"path":"/a","problem":"no"}]}"#
);
