//! Checks of files.

use protocol::requests::check::State;

use super::{Check, Need, Subject, When};
use crate::health::facts::{Facts, FileState, Told};
use crate::health::finding::{Measure, Verdict};
use crate::health::plan::Wanted;
use crate::health::range::Bare;
use crate::health::threshold::Scale;
use crate::health::unit::Unit;
use crate::output::human::{age_of_seconds, bytes};

pub(super) const FILE_AGE: Check = Check {
    name: "file-age",
    sentence: "The time since the file at PATH changed; a time alone is the most that is well. Critical where there is none.",
    // What is written once a day may take an hour to write.
    scale: Some(Scale { unit: Unit::Seconds, bare: Bare::AtMost, standard: "25h,49h" }),
    when: When::For(Subject::Path),
    need: Need::Files,
    judge: file_age,
};

fn file_age(facts: &Facts, wanted: &Wanted) -> Told<Verdict> {
    let file = facts.named(&facts.files, &wanted.subject)?;
    let FileState::Present { age_seconds, size_bytes } = *file else {
        return Ok(Verdict::new(State::Critical, "does not exist"));
    };
    let size = bytes(size_bytes);
    let text = if age_seconds < 0.0 {
        format!("changed {} in the future, {size}", age_of_seconds(age_seconds))
    } else {
        format!("changed {} ago, {size}", age_of_seconds(age_seconds))
    };
    #[expect(clippy::cast_precision_loss, reason = "performance data is for drawing")]
    let size = Measure::new(Unit::Bytes, size_bytes as f64).labelled("size").at_least(0.0);
    let age = Measure::new(Unit::Seconds, age_seconds).labelled("age").against(&wanted.threshold);
    Ok(Verdict::new(wanted.threshold.judge(age_seconds), text).measured([age, size]))
}
