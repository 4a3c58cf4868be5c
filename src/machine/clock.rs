//! Wall-clock timestamps and CPU time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// CPU time of this thread so far.
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills the given structure.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The current time in UTC as RFC 3339 in seconds, e.g. `2025-11-23T14:07:00Z`.
pub fn now_utc() -> String {
    rfc3339(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// Seconds since 1970 (UTC) as RFC 3339.
fn rfc3339(seconds: u64) -> String {
    let seconds = seconds as libc::time_t;
    // SAFETY: `gmtime_r` reads the first argument and fills in the second; all-zero is a valid `tm`.
    let date = unsafe {
        let mut date: libc::tm = std::mem::zeroed();
        libc::gmtime_r(&seconds, &mut date);
        date
    };
    let (year, month) = (date.tm_year + 1900, date.tm_mon + 1);
    format!("{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}Z", date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_234_567_890), "2009-02-13T23:31:30Z");
    }
}
