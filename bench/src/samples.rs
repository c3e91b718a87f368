//! Many measurements of one thing: the middle one, and how far the others lie.

use std::fmt;

/// At least one number, in order.
#[derive(Debug, Clone)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Nothing for nothing.
    pub(crate) fn new(mut numbers: Vec<f64>) -> Option<Samples> {
        numbers.sort_by(f64::total_cmp);
        (!numbers.is_empty()).then_some(Samples(numbers))
    }

    /// As many lie below as above.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The number below which this share of all lies.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index within the numbers"
        )]
        let index = ((self.0.len() - 1) as f64 * share).round() as usize;
        self.0[index]
    }
}

/// `median (min–max)`, or the one number there is, with as many decimals as the format asks for.
impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(2);
        let (median, low, high) = (self.median(), self.quantile(0.0), self.quantile(1.0));
        if self.0.len() == 1 {
            return write!(f, "{median:.decimals$}");
        }
        write!(f, "{median:.decimals$} ({low:.decimals$}–{high:.decimals$})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_both_ends() {
        let samples = Samples::new(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!(format!("{samples:.1}"), "2.0 (1.0–3.0)");
        assert_eq!(Samples::new(vec![1.0]).unwrap().to_string(), "1.00");
        assert!(Samples::new(Vec::new()).is_none());
    }
}
