//! Whether the machine is one of metal, a virtual machine or a container.

use std::path::Path;

use super::source;

/// What the machine shows of its kind, each empty where it shows nothing.
#[derive(Default)]
struct Signs {
    /// The container's manager.
    container: String,
    /// The maker and the model, by the firmware.
    firmware: String,
    /// The hypervisor's name for itself, by the processor.
    processor: String,
    kernel: String,
    is_virtual: Option<bool>,
}

/// `physical`, or the kind as people know it; nothing where it cannot be told.
pub(super) fn find(kernel: &str, hardware: Option<&str>) -> Option<String> {
    let (is_virtual, processor) = hypervisor();
    kind(&Signs {
        container: container(),
        firmware: hardware.unwrap_or_default().to_owned(),
        processor,
        kernel: kernel.to_owned(),
        is_virtual,
    })
}

fn kind(signs: &Signs) -> Option<String> {
    // Firmware first: it knows whose cloud it is, where the processor only knows the hypervisor.
    const FIRMWARE: [(&str, &str); 9] = [
        ("Amazon EC2", "amazon"),
        ("Google Compute Engine", "google"),
        ("Microsoft Corporation Virtual Machine", "hyper-v"),
        ("VirtualBox", "virtualbox"),
        ("VMware", "vmware"),
        ("Parallels", "parallels"),
        ("Apple Virtualization", "apple"),
        ("Xen", "xen"),
        ("BHYVE", "bhyve"),
    ];
    const PROCESSOR: [(&str, &str); 6] = [
        ("KVMKVMKVM", "kvm"),
        ("TCGTCGTCGTCG", "qemu"),
        ("Microsoft Hv", "hyper-v"),
        ("VMwareVMware", "vmware"),
        ("XenVMMXenVMM", "xen"),
        ("bhyve bhyve ", "bhyve"),
    ];
    let named = |names: &[(&str, &str)], sign: &str| {
        names.iter().find(|(name, _)| sign.contains(name)).map(|(_, kind)| (*kind).to_owned())
    };
    if !signs.container.is_empty() {
        return Some(signs.container.clone());
    }
    if signs.kernel.to_ascii_lowercase().contains("microsoft") {
        return Some("wsl".to_owned());
    }
    if signs.firmware.starts_with("Amazon EC2") && signs.firmware.ends_with(".metal") {
        return Some("physical".to_owned());
    }
    named(&FIRMWARE, &signs.firmware)
        .or_else(|| named(&PROCESSOR, &signs.processor))
        .or_else(|| signs.firmware.contains("QEMU").then(|| "qemu".to_owned()))
        .or_else(|| signs.is_virtual.map(|is| if is { "virtual machine" } else { "physical" }.to_owned()))
}

fn container() -> String {
    // systemd's word where it runs inside, then each manager's own mark.
    if let Ok(manager) = source::text("/run/systemd/container") {
        return manager.trim().to_owned();
    }
    for (mark, manager) in [("/run/.containerenv", "podman"), ("/.dockerenv", "docker")] {
        if Path::new(mark).exists() {
            return manager.to_owned();
        }
    }
    source::text("/proc/1/environ").map_or_else(|_| String::new(), |environment| manager(&environment))
}

fn manager(environment: &str) -> String {
    let named = environment.split('\0').find_map(|variable| variable.strip_prefix("container="));
    named.unwrap_or_default().to_owned()
}

/// Whether the processor says that it is a virtual one, and whose.
#[cfg(target_arch = "x86_64")]
fn hypervisor() -> (Option<bool>, String) {
    use std::arch::x86_64::__cpuid;
    const PRESENT: u32 = 1 << 31;
    if __cpuid(1).ecx & PRESENT == 0 {
        return (Some(false), String::new());
    }
    let told = __cpuid(0x4000_0000);
    let name = [told.ebx, told.ecx, told.edx].map(u32::to_le_bytes).concat();
    (Some(true), String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned())
}

/// Other processors do not tell.
#[cfg(not(target_arch = "x86_64"))]
fn hypervisor() -> (Option<bool>, String) {
    (None, String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(firmware: &str, processor: &str, is_virtual: Option<bool>) -> Option<String> {
        let (firmware, processor) = (firmware.to_owned(), processor.to_owned());
        kind(&Signs { firmware, processor, is_virtual, ..Signs::default() })
    }

    #[test]
    fn kinds() {
        for (firmware, processor, is_virtual, kind) in [
            ("Dell Inc. PowerEdge R640", "", Some(false), Some("physical")),
            ("Amazon EC2 m7g.metal", "", None, Some("physical")),
            ("Amazon EC2 m5.large", "KVMKVMKVM", Some(true), Some("amazon")),
            ("QEMU Standard PC (Q35 + ICH9, 2009)", "KVMKVMKVM", Some(true), Some("kvm")),
            ("QEMU Standard PC (Q35 + ICH9, 2009)", "TCGTCGTCGTCG", Some(true), Some("qemu")),
            ("QEMU QEMU Virtual Machine", "", None, Some("qemu")),
            ("innotek GmbH VirtualBox", "KVMKVMKVM", Some(true), Some("virtualbox")),
            ("Microsoft Corporation Virtual Machine", "Microsoft Hv", Some(true), Some("hyper-v")),
            ("Microsoft Corporation Surface Pro", "", Some(false), Some("physical")),
            ("", "KVMKVMKVM", Some(true), Some("kvm")),
            ("", "SomethingNew", Some(true), Some("virtual machine")),
            ("", "", None, None),
        ] {
            assert_eq!(told(firmware, processor, is_virtual).as_deref(), kind, "{firmware} / {processor}");
        }
    }

    #[test]
    fn a_container_is_named_before_what_it_runs_on() {
        let signs = Signs {
            container: manager("HOME=/root\0container=lxc\0TERM=linux\0"),
            processor: "KVMKVMKVM".to_owned(),
            ..Signs::default()
        };
        assert_eq!(kind(&signs).as_deref(), Some("lxc"));
        let signs = Signs { kernel: "5.15.90.1-microsoft-standard-WSL2".to_owned(), ..Signs::default() };
        assert_eq!(kind(&signs).as_deref(), Some("wsl"));
    }
}
