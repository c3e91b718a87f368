//! The machine's names: read once, for they change with a reboot or a new release.

use rustix::system::uname;
use sysinfo::{CpuRefreshKind, RefreshKind};

use super::{source, virtualisation};

/// What is read before the sandbox: some of it is not to be had inside.
#[derive(Debug)]
pub struct Names {
    pub(super) os: String,
    pub(super) os_id: String,
    pub(super) os_version: Option<String>,
    pub(super) kernel: String,
    pub(super) architecture: String,
    pub(super) virtualisation: Option<String>,
    pub(super) hardware: Option<String>,
    pub(super) cpu_model: Option<String>,
    pub(super) physical_cores: Option<usize>,
}

impl Names {
    /// Reads them all.
    #[must_use]
    pub fn read() -> Names {
        let release =
            ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| source::text(path).ok());
        let release = release.unwrap_or_default();
        let value = |key| release_value(&release, key);
        let running = uname();
        let kernel = running.release().to_string_lossy().into_owned();
        let hardware = hardware();
        Names {
            os: value("PRETTY_NAME").or_else(|| value("NAME")).unwrap_or_else(|| "Linux".to_owned()),
            os_id: value("ID").unwrap_or_else(|| "linux".to_owned()),
            os_version: value("VERSION_ID"),
            virtualisation: virtualisation::find(&kernel, hardware.as_deref()),
            kernel,
            architecture: running.machine().to_string_lossy().into_owned(),
            hardware,
            cpu_model: cpu_model(),
            physical_cores: sysinfo::System::physical_core_count().ok().filter(|cores| *cores > 0),
        }
    }
}

/// Not kept: it is changed while the machine runs.
pub(super) fn host_name() -> String {
    uname().nodename().to_string_lossy().into_owned()
}

/// A line of `os-release`, without a shell's quotes.
fn release_value(release: &str, key: &str) -> Option<String> {
    let value = release.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?.trim();
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let value = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
    (!value.is_empty()).then(|| value.replace("\\\"", "\"").replace("\\$", "$"))
}

fn cpu_model() -> Option<String> {
    let only_names = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let system = sysinfo::System::new_with_specifics(only_names).ok()?;
    let model = system.cpus().first()?.brand().trim().to_owned();
    (!model.is_empty()).then_some(model)
}

/// The maker and the model, by the firmware of a PC or by the device tree of a board.
fn hardware() -> Option<String> {
    let read = |path| source::text(path).ok();
    let firmware = [read("/sys/class/dmi/id/sys_vendor"), read("/sys/class/dmi/id/product_name")];
    maker_and_model(&firmware.map(Option::unwrap_or_default))
        .or_else(|| maker_and_model(&[String::new(), read("/proc/device-tree/model")?]))
}

fn maker_and_model(told: &[String; 2]) -> Option<String> {
    // What those write who were to fill it in.
    const UNFILLED: [&str; 6] =
        ["to be filled", "default string", "system manufacturer", "system product", "none", "not specified"];
    let is_filled = |text: &&str| {
        let text = text.to_ascii_lowercase();
        !text.is_empty() && !UNFILLED.iter().any(|unfilled| text.starts_with(unfilled))
    };
    let texts: Vec<&str> =
        told.iter().map(|text| text.trim_matches(['\0', '\n', ' '])).filter(is_filled).collect();
    (!texts.is_empty()).then(|| texts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_in_its_three_ways_of_quoting() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME='Debian \"x\"'\nVERSION_ID=\"12\"\nID=debian\n\
                    ID_LIKE=\nVARIANT=\"a \\\"b\\\" \\$c\"\n";
        let value = |key| release_value(text, key);
        assert_eq!(value("PRETTY_NAME").as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(value("NAME").as_deref(), Some("Debian \"x\""));
        assert_eq!(value("ID").as_deref(), Some("debian"));
        assert_eq!(value("VARIANT").as_deref(), Some("a \"b\" $c"));
        assert_eq!((value("ID_LIKE"), value("VERSION")), (None, None));
    }

    #[test]
    fn hardware_that_nobody_named_is_absent() {
        let named = |maker: &str, model: &str| maker_and_model(&[maker.to_owned(), model.to_owned()]);
        assert_eq!(named("Dell Inc.\n", "PowerEdge R640\n").as_deref(), Some("Dell Inc. PowerEdge R640"));
        assert_eq!(named("To Be Filled By O.E.M.\n", "Default string\n"), None);
        assert_eq!(
            named("", "Raspberry Pi 4 Model B Rev 1.4\0").as_deref(),
            Some("Raspberry Pi 4 Model B Rev 1.4")
        );
        assert_eq!(named("", ""), None);
    }

    #[test]
    fn this_machine_has_names() {
        let names = Names::read();
        assert!(!names.kernel.is_empty() && !names.architecture.is_empty(), "{names:?}");
        assert!(!host_name().is_empty());
    }
}
