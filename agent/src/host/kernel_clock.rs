//! The kernel's own word on its clock.

use std::time::Duration;

use crate::c_library;

/// Whether the kernel's clock is synchronised to a source of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum State {
    /// The error is within this bound.
    Synchronised(Duration),
    /// Nothing steers the clock.
    Free,
}

/// Nothing if the kernel or a sandbox refuses to tell.
pub(super) fn read() -> Option<State> {
    let (verdict, told) = c_library::read_kernel_clock();
    (verdict >= 0).then(|| judge(verdict, told.status, told.maxerror))
}

// The numbers' width depends on the platform.
#[allow(clippy::useless_conversion)]
fn judge(verdict: libc::c_int, status: libc::c_int, max_error_micros: libc::c_long) -> State {
    if verdict == libc::TIME_ERROR || status & libc::STA_UNSYNC != 0 {
        return State::Free;
    }
    State::Synchronised(Duration::from_micros(u64::try_from(max_error_micros).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_sign_of_a_free_clock_is_believed() {
        assert_eq!(judge(libc::TIME_ERROR, 0, 5), State::Free);
        assert_eq!(judge(0, libc::STA_UNSYNC, 5), State::Free);
        assert_eq!(judge(0, libc::STA_PLL, 1500), State::Synchronised(Duration::from_micros(1500)));
    }

    #[test]
    fn the_kernel_answers() {
        // A container may forbid the call; then there is nothing to compare.
        let Some(State::Synchronised(bound)) = read() else { return };
        assert!(bound < Duration::from_secs(17), "the kernel's own ceiling is 16 s: {bound:?}");
    }
}
