//! The rights of root, given up one and all, and with no way to come by others.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// Those that there are, and those to come: the kernel has numbers for so many.
const CAPABILITIES: u32 = 64;

/// All of them, and the right to get them back.
pub(super) fn give_up_capabilities() -> Result<(), String> {
    bound().map_err(|error| format!("the bounding set cannot be emptied: {error}"))?;
    let failed = |error: Errno| format!("they cannot be given up: {error}");
    match clear_ambient_capability_set() {
        // Before Linux 4.3 there were none.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(failed(error)),
    }
    let none = CapabilitySet::empty();
    let given_up =
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none });
    let left = capabilities(None).map_err(failed)?;
    // A service's unit may forbid the call as well as the capabilities: what is left is what counts.
    match (given_up, (left.effective | left.permitted | left.inheritable).is_empty()) {
        (_, true) => Ok(()),
        (Err(error), false) => Err(failed(error)),
        (Ok(()), false) => Err("the kernel kept some".to_owned()),
    }
}

fn bound() -> Result<(), Errno> {
    for number in 0..CAPABILITIES {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(capability) {
            Ok(true) => match remove_capability_from_bounding_set(capability) {
                // Who has no right to empty it has none to use it either, once no new privileges can be had.
                Ok(()) | Err(Errno::PERM) => {}
                failed => return failed,
            },
            Ok(false) => {}
            // Past the last one.
            Err(_) => break,
        }
    }
    Ok(())
}

/// Neither a program with the bit of another user nor anything else gives new ones.
pub(super) fn no_new_privileges() -> Result<(), String> {
    set_no_new_privs(true).map_err(|error| format!("the kernel refused: {error}"))
}
