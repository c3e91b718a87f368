//! A machine in one row among many.

use protocol::requests::info::{Disk, Machine, Space};

use crate::output::human::{age_of_seconds, bytes, ratio};
use crate::output::{Cell, Column};

/// What there is to see of it. What was not asked for, or not told, is a dash.
pub(super) fn columns() -> Vec<Column<Machine>> {
    vec![
        Column::usual("os", "os", |it| of(it.system.as_ref(), |system| Cell::text(&system.os))),
        Column::usual("kernel", "kernel", |it| of(it.system.as_ref(), |system| Cell::text(&system.kernel))),
        Column::usual("up", "uptime_seconds", |it| {
            of(it.system.as_ref(), |system| {
                Cell::told(system.uptime_seconds, age_of_seconds(system.uptime_seconds))
            })
        }),
        Column::usual("cores", "logical_cores", |it| {
            of(it.cpu.as_ref(), |cpu| Cell::told(cpu.logical_cores, cpu.logical_cores.to_string()))
        }),
        Column::usual("cpu", "cpu_used_ratio", |it| of(it.cpu.as_ref(), |cpu| share(cpu.used_ratio))),
        Column::usual("load", "load_1", |it| {
            of(it.cpu.as_ref(), |cpu| Cell::told(cpu.load[0], format!("{:.2}", cpu.load[0])))
        }),
        Column::usual("memory", "memory_used_ratio", |it| {
            of(it.memory.as_ref(), |memory| share(ratio(memory.used_bytes, memory.total_bytes)))
        }),
        Column::usual("fullest disk", "fullest_used_ratio", fullest),
        Column::other("host name", "host_name", |it| {
            of(it.system.as_ref(), |system| Cell::text(&system.host_name))
        }),
        Column::other("architecture", "architecture", |it| {
            of(it.system.as_ref(), |system| Cell::text(&system.architecture))
        }),
        Column::other("machine", "hardware", |it| {
            of(it.system.as_ref().and_then(|system| system.hardware.as_ref()), |hardware| {
                Cell::text(hardware)
            })
        }),
        Column::other("memory size", "memory_total_bytes", |it| {
            of(it.memory.as_ref(), |memory| Cell::told(memory.total_bytes, bytes(memory.total_bytes)))
        }),
        Column::other("swap", "swap_used_ratio", |it| {
            of(it.memory.as_ref().filter(|memory| memory.swap_total_bytes > 0), |memory| {
                share(ratio(memory.swap_used_bytes, memory.swap_total_bytes))
            })
        }),
        Column::other("users", "users", |it| {
            of(it.users.as_ref(), |users| Cell::told(users.len(), users.len().to_string()))
        }),
        Column::other("agent", "agent_version", |it| {
            of(it.agent.as_ref(), |agent| Cell::text(&agent.version))
        }),
        Column::other("certificate ends", "certificate_ends", |it| {
            of(it.agent.as_ref(), |agent| Cell::text(&agent.certificate_ends.to_string()))
        }),
    ]
}

fn of<T>(part: Option<&T>, cell: impl FnOnce(&T) -> Cell) -> Cell {
    part.map_or_else(Cell::none, cell)
}

fn share(ratio: f64) -> Cell {
    Cell::told(ratio, format!("{:.0} %", ratio * 100.0))
}

/// The file system with the least room, and which it is.
fn fullest(machine: &Machine) -> Cell {
    let used = |space: &Space| {
        let used = space.size_bytes.saturating_sub(space.free_bytes);
        ratio(used, used.saturating_add(space.available_bytes))
    };
    let disks = machine.disks.iter().flatten();
    let shares = disks.filter_map(|disk: &Disk| Some((used(disk.space.as_ref()?), &disk.mount_point)));
    let fullest = shares.max_by(|(one, _), (other, _)| one.total_cmp(other));
    fullest.map_or_else(Cell::none, |(used, mount_point)| {
        Cell::told(used, format!("{:.0} % {mount_point}", used * 100.0))
    })
}
