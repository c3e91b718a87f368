//! What systemd knows of its units. Their properties are asked for by name, so nothing is started and nothing large is sent.

use jiff::Timestamp;
use protocol::requests::services::{Service, State};

use super::bus::{Bus, Call, Said, Silence, Value};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// The kinds of units.
const SUFFIXES: [&str; 11] = [
    ".service",
    ".socket",
    ".target",
    ".timer",
    ".mount",
    ".automount",
    ".path",
    ".swap",
    ".slice",
    ".scope",
    ".device",
];

/// What is asked about each unit; the last of services alone.
const PROPERTIES: [[&str; 2]; 5] = [
    [UNIT, "LoadState"],
    [UNIT, "ActiveState"],
    [UNIT, "SubState"],
    [UNIT, "StateChangeTimestamp"],
    [SERVICE, "NRestarts"],
];

/// What is known of each unit, or why nothing is of any.
pub(super) async fn list(bus: &Bus, names: Vec<String>) -> Result<Vec<Service>, Silence> {
    let names: Vec<String> = names.into_iter().map(whole).collect();
    let paths: Vec<String> = names.iter().map(|name| path(name)).collect();
    let questions = names.iter().zip(&paths).map(|(name, path)| questions(name, path));
    let answers = bus.ask(questions).await?;
    Ok(names.into_iter().zip(answers).map(|(name, said)| told(name, said)).collect())
}

fn whole(name: String) -> String {
    match SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        true => name,
        false => name + SUFFIXES[0],
    }
}

/// Where systemd shows a unit: all but letters and digits is written as `_` and two digits.
fn path(name: &str) -> String {
    let shown = |(place, byte): (usize, u8)| match byte {
        b'0'..=b'9' if place == 0 => format!("_{byte:02x}"),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("_{byte:02x}"),
    };
    format!("/org/freedesktop/systemd1/unit/{}", name.bytes().enumerate().map(shown).collect::<String>())
}

fn questions<'a>(name: &str, path: &'a str) -> Vec<Call<'a>> {
    let call = |property: &'static [&'static str; 2]| Call {
        destination: SYSTEMD,
        path,
        interface: "org.freedesktop.DBus.Properties",
        member: "Get",
        arguments: property,
    };
    let is_asked = |[interface, _]: &&[&str; 2]| *interface == UNIT || name.ends_with(SUFFIXES[0]);
    PROPERTIES.iter().filter(is_asked).map(call).collect()
}

fn told(name: String, said: Vec<Said>) -> Service {
    let (state, problem) = match state(said) {
        Ok(state) => (Some(state), None),
        Err(problem) => (None, Some(problem)),
    };
    Service { name, state, problem }
}

fn state(said: Vec<Said>) -> Result<State, String> {
    let mut said = said.into_iter();
    let mut next = || said.next().unwrap_or(Ok(Value::Else));
    let (load, active, sub) = (text(next()?)?, text(next()?)?, text(next()?)?);
    let since = number(&next()?)?;
    // systemd counts none before version 235; and what is not there was never started.
    let restarts = next().ok().and_then(|value| number(&value).ok()).filter(|_| load != "not-found");
    Ok(State { load, active, sub, since: moment(since), restarts })
}

/// In microseconds; 0 is never.
fn moment(microseconds: u64) -> Option<Timestamp> {
    let microseconds = i64::try_from(microseconds).ok().filter(|microseconds| *microseconds > 0)?;
    Timestamp::from_microsecond(microseconds).ok()
}

fn text(value: Value) -> Result<String, String> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(odd()),
    }
}

fn number(value: &Value) -> Result<u64, String> {
    match value {
        Value::Number(number) => Ok(*number),
        _ => Err(odd()),
    }
}

fn odd() -> String {
    "systemd answered in a form that is not expected".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Said {
        Ok(Value::Text(text.to_owned()))
    }

    fn said(load: &str, since: u64, restarts: Said) -> Vec<Said> {
        vec![text(load), text("active"), text("running"), Ok(Value::Number(since)), restarts]
    }

    #[test]
    fn what_does_not_say_its_kind_is_a_service() {
        for (name, unit) in [
            ("cron", "cron.service"),
            ("fstrim.timer", "fstrim.timer"),
            ("getty@tty1", "getty@tty1.service"),
            ("my.app", "my.app.service"),
            ("a.service", "a.service"),
        ] {
            assert_eq!(whole(name.to_owned()), unit);
        }
    }

    #[test]
    fn a_name_is_one_step_of_a_path_whatever_is_in_it() {
        let unit = |name| path(name).strip_prefix("/org/freedesktop/systemd1/unit/").unwrap().to_owned();
        assert_eq!(unit("dbus.service"), "dbus_2eservice");
        assert_eq!(unit("9p/../_é"), "_39p_2f_2e_2e_2f_5f_c3_a9");
    }

    #[test]
    fn only_services_are_asked_how_often_they_were_started_again() {
        let asked = |name| questions(name, "/").iter().map(|call| call.arguments[1]).collect::<Vec<_>>();
        assert_eq!(asked("a.service").len(), 5);
        assert_eq!(asked("a.timer"), ["LoadState", "ActiveState", "SubState", "StateChangeTimestamp"]);
    }

    #[test]
    fn a_state_is_put_together_from_its_properties() {
        let since = 1_767_225_600_123_456;
        let state = state(said("loaded", since, Ok(Value::Number(3)))).unwrap();
        assert_eq!(
            (state.load.as_str(), state.active.as_str(), state.sub.as_str()),
            ("loaded", "active", "running")
        );
        assert_eq!(state.since, Some("2026-01-01T00:00:00.123456Z".parse().unwrap()));
        assert_eq!(state.restarts, Some(3));
    }

    #[test]
    fn what_is_not_known_is_absent_and_what_is_odd_is_a_problem() {
        let never = state(said("loaded", 0, Err("no such property".to_owned()))).unwrap();
        assert_eq!((never.since, never.restarts), (None, None));
        assert_eq!(state(said("not-found", 0, Ok(Value::Number(0)))).unwrap().restarts, None);
        assert_eq!(state(said("loaded", u64::MAX, Ok(Value::Else))).unwrap().since, None);
        let refused = told("a b.service".to_owned(), vec![Err("no good name".to_owned()); 5]);
        assert_eq!((refused.state, refused.problem.as_deref()), (None, Some("no good name")));
        let odd = told("a.service".to_owned(), vec![Ok(Value::Number(1)); 5]);
        assert!(odd.problem.unwrap().contains("not expected"));
        assert!(told("a.service".to_owned(), Vec::new()).problem.is_some());
    }
}
