//! What the process itself used so far, as Linux tells it in `/proc/self`; zero elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Processor time of all threads, in user and kernel mode. Client processes are not part of it.
pub(crate) fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the command is in parentheses and may hold anything; the fields after it are numbered from 3.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let ticks = |field: usize| {
        fields
            .get(field - 3)
            .and_then(|ticks| ticks.parse().ok())
            .unwrap_or(0)
    };
    let ticks: u64 = ticks(14) + ticks(15);
    // Linux reports a hundredth of a second to user programs whatever the kernel's own tick is.
    Duration::from_millis(ticks * 10)
}

/// Most memory that was resident at once, as far as it was asked for: it never falls. The kernel's own number may, a little, because
/// it counts pages for each processor in batches.
pub(crate) fn peak_rss_bytes() -> u64 {
    static HIGHEST: AtomicU64 = AtomicU64::new(0);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = peak
        .and_then(|peak| peak.trim().strip_suffix("kB"))
        .map(str::trim);
    let bytes = kibibytes.map_or(0, |kibibytes| kibibytes.parse().unwrap_or(0) * 1024);
    // ORDERING: Relaxed: a number on its own.
    HIGHEST.fetch_max(bytes, Ordering::Relaxed).max(bytes)
}

#[cfg(test)]
mod tests {
    use super::{cpu_time, peak_rss_bytes};

    #[test]
    #[cfg(target_os = "linux")]
    fn usage_grows_with_use() {
        let before = cpu_time();
        while cpu_time() == before {
            std::hint::spin_loop();
        }
        assert!(peak_rss_bytes() > 1 << 20);
    }
}
