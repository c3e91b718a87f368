//! What the kernel has counted for a process.

use std::fs;
use std::time::Duration;

use bench::Error;
use rustix::param::clock_ticks_per_second;

/// User and system time of all its threads, also of those that have ended. Counted in ticks of 10 ms as a rule.
pub(crate) fn cpu_ticks(pid: u32) -> Result<u64, Error> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut ticks = fields.split_ascii_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
    match (ticks.next(), ticks.next()) {
        (Some(user), Some(system)) => Ok(user + system),
        _ => Err(format!("/proc/{pid}/stat has no times in it").into()),
    }
}

/// The same as a time.
pub(crate) fn cpu(pid: u32) -> Result<Duration, Error> {
    Ok(Duration::from_secs(cpu_ticks(pid)?) / u32::try_from(clock_ticks_per_second())?)
}

/// What its first thread ran, exact to the nanosecond. For a process of one thread that has ended and was not reaped
/// yet, this is what `wait4` would tell.
pub(crate) fn ran(pid: u32) -> Result<Duration, Error> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let nanoseconds = text.split_ascii_whitespace().next().ok_or("schedstat is empty")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

/// A line of its status that is in KiB, such as `VmRSS`.
pub(crate) fn kib(pid: u32, key: &str) -> Result<u64, Error> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(number.ok_or_else(|| format!("/proc/{pid}/status has no {key}"))?.parse()?)
}

/// Its share of the memory that it has, in KiB: what several have is divided among them.
pub(crate) fn share_kib(pid: u32) -> Result<u64, Error> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(number.ok_or("smaps_rollup has no Pss")?.parse()?)
}

/// Those that it has started.
pub(crate) fn children(pid: u32) -> Result<Vec<u32>, Error> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(text.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

/// How many threads it has.
pub(crate) fn threads(pid: u32) -> Result<usize, Error> {
    Ok(fs::read_dir(format!("/proc/{pid}/task"))?.count())
}

/// How often its threads were woken or put aside.
pub(crate) fn switches(pid: u32) -> Result<u64, Error> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        let counts = status.lines().filter_map(|line| line.split_once("_ctxt_switches:"));
        for (_, count) in counts {
            sum += count.trim().parse::<u64>()?;
        }
    }
    Ok(sum)
}
