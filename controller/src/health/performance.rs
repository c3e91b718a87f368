//! Performance data as monitoring plugins write it: `'label'=value[unit];warn;crit;min;max`, separated by spaces.

use super::finding::Measure;
use super::range::Range;
use super::unit::Unit;

/// A measure, its label behind the name of its check.
pub(super) fn write(check: &str, measure: &Measure) -> String {
    let label = match measure.label.as_str() {
        "" => check.to_owned(),
        label => format!("{check}_{label}"),
    };
    let range = |range: Option<Range>| range.map_or(String::new(), |range| range.to_string());
    let limit = |limit: Option<f64>| limit.map_or(String::new(), decimal);
    let value = match measure.value {
        Some(value) => decimal(value) + measure.unit.in_performance(),
        None => "U".to_owned(),
    };
    let fields = [
        format!("{}={value}", quoted(&label)),
        range(measure.warning),
        range(measure.critical),
        limit(measure.min),
        limit(measure.max),
    ];
    fields.join(";").trim_end_matches(';').to_owned()
}

fn quoted(label: &str) -> String {
    if label.contains([' ', '=', '\'', ';']) {
        format!("'{}'", label.replace('\'', "''"))
    } else {
        label.to_owned()
    }
}

/// Digits, a sign and a dot; nobody draws more than six decimals.
fn decimal(value: f64) -> String {
    let text = format!("{value:.6}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".to_owned(),
        short => short.to_owned(),
    }
}

/// Reads what a plugin wrote, and gives back what of it makes no sense.
pub(super) fn read(text: &str) -> (Vec<Measure>, Vec<&str>) {
    let (mut measures, mut nonsense) = (Vec::new(), Vec::new());
    for piece in pieces(text) {
        match measure(piece) {
            Some(measure) => measures.push(measure),
            None => nonsense.push(piece),
        }
    }
    (measures, nonsense)
}

/// Between spaces; those in a quoted label part nothing. A doubled quote closes and opens again.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let parts = text.split(move |c: char| {
        is_quoted ^= c == '\'';
        !is_quoted && c.is_ascii_whitespace()
    });
    parts.filter(|piece| !piece.is_empty())
}

fn measure(piece: &str) -> Option<Measure> {
    // A label may have `=` in it; a value never has.
    let (label, numbers) = piece.rsplit_once('=')?;
    let label = match label.strip_prefix('\'') {
        Some(rest) => rest.strip_suffix('\'')?.replace("''", "'"),
        None => label.to_owned(),
    };
    let mut fields = numbers.split(';');
    let (number, written) = match fields.next()? {
        "U" => (None, ""),
        value => {
            let (number, unit) = number_and_unit(value);
            (Some(finite(number)?), unit)
        }
    };
    let (unit, factor) = Unit::of_performance(written);
    let mut field = || fields.next().filter(|field| !field.is_empty());
    let mut range = || match field() {
        Some(text) => text.parse::<Range>().ok().map(|range| Some(range.in_base(factor))),
        None => Some(None),
    };
    let (warning, critical) = (range()?, range()?);
    let mut limit = || match field() {
        Some(text) => finite(text).map(|limit| Some(factor.apply(limit))),
        None => Some(None),
    };
    let (min, max) = (limit()?, limit()?);
    let value = number.map(|number| factor.apply(number));
    (!label.is_empty()).then_some(Measure { label, value, unit, warning, critical, min, max })
}

/// No unit has a digit in it, and a number may be written as 1e-05.
fn number_and_unit(value: &str) -> (&str, &str) {
    value.split_at(value.rfind(|c: char| c.is_ascii_digit() || c == '.').map_or(0, |at| at + 1))
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_the_guidelines_write_it() {
        let one = |label: &str, unit, value| Measure::new(unit, value).labelled(label);
        let range = |text: &str| text.parse::<Range>().ok();
        for (measure, shown) in [
            (one("", Unit::Seconds, 0.0125), "disk=0.0125s"),
            (
                Measure { warning: range("80"), critical: range("90"), ..one("/", Unit::Percent, 93.0) },
                "disk_/=93%;80;90",
            ),
            (
                Measure { critical: range("1:"), min: Some(0.0), ..one("n", Unit::Count, 2.0) },
                "disk_n=2;;1:;0",
            ),
            (
                Measure { max: Some(1e12), ..one("m", Unit::Bytes, 5e11) },
                "disk_m=500000000000B;;;;1000000000000",
            ),
            (one("gone", Unit::Count, f64::NAN), "disk_gone=U"),
            (one("my data", Unit::Count, -0.5), "'disk_my data'=-0.5"),
            (one("it's", Unit::Counter, 1.0), "'disk_it''s'=1c"),
            (one("a=b", Unit::Count, 1e-9), "'disk_a=b'=0"),
            (one("small", Unit::Count, -1e-9), "disk_small=0"),
        ] {
            assert_eq!(write("disk", &measure), shown);
        }
    }

    #[test]
    fn what_plugins_in_use_write_is_understood() {
        let text = "/=17656971264B;243497277849;257024904396;0;270552530944 'a b'=4.5ms;~:5;@10:20 load1=U \
                    'it''s'=1c temp=20C time=0.5s;1;2;0; size=2KB;1;2;0;4";
        let (measures, nonsense) = read(text);
        assert_eq!(nonsense, Vec::<&str>::new());
        let told: Vec<_> = measures.iter().map(|m| (m.label.as_str(), m.value, m.unit)).collect();
        assert_eq!(
            told,
            [
                ("/", Some(17_656_971_264.0), Unit::Bytes),
                ("a b", Some(0.0045), Unit::Seconds),
                ("load1", None, Unit::Count),
                ("it's", Some(1.0), Unit::Counter),
                ("temp", Some(20.0), Unit::Count),
                ("time", Some(0.5), Unit::Seconds),
                ("size", Some(2000.0), Unit::Bytes),
            ]
        );
        assert_eq!(write("x", &measures[1]), "'x_a b'=0.0045s;~:0.005;@0.01:0.02");
        assert_eq!(write("x", &measures[6]), "x_size=2000B;1000;2000;0;4000");
    }

    #[test]
    fn nonsense_is_given_back() {
        let (measures, nonsense) = read("a=1 b c= d=x =5 e=1;x f=2 'g=1 h=3,5 i=0x10 j=1e-05s k=1e5");
        let told: Vec<_> = measures.iter().map(|m| (m.label.as_str(), m.value.unwrap())).collect();
        assert_eq!(told, [("a", 1.0), ("f", 2.0)]);
        assert_eq!(nonsense, ["b", "c=", "d=x", "=5", "e=1;x", "'g=1 h=3,5 i=0x10 j=1e-05s k=1e5"]);
        let (measures, nonsense) = read("h=3,5 i=0x10 j=1e-05s k=1e5");
        let told: Vec<_> = measures.iter().map(|m| (m.label.as_str(), m.value.unwrap())).collect();
        assert_eq!((told, nonsense), (vec![("j", 1e-5), ("k", 1e5)], vec!["h=3,5", "i=0x10"]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            label in "[a-z =';/é]{0,8}[a-z]", value in prop::option::of(-1000i32..1000), warn in "[0-9]{1,3}:[0-9]{4}",
            min in prop::option::of(0i32..5),
        ) {
            let measure = Measure {
                value: value.map(f64::from), warning: warn.parse().ok(), min: min.map(f64::from),
                ..Measure::new(Unit::Count, 0.0).labelled(&label)
            };
            let text = format!("{0} {0}", write("x", &measure));
            let read = read(&text);
            prop_assert_eq!(read, (vec![measure.labelled(&format!("x_{label}")); 2], vec![]), "{}", text);
        }

        #[test]
        fn nothing_that_a_plugin_writes_is_too_much(text in ".{0,60}") {
            let (measures, nonsense) = read(&text);
            prop_assert!(measures.len() + nonsense.len() <= text.len());
        }
    }
}
