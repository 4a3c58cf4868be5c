//! The progress of a job as its journal shows it to another process, while the job runs or after it has stopped.

use std::time::{Duration, SystemTime};

use super::journal::Start;
use super::progress::{Tally, span};
use super::{Group, Nouns, Task};
use crate::text::counted;

/// A job seen from outside.
pub struct Seen<'j> {
    pub groups: &'j [Group],
    pub nouns: Nouns,
    /// All its tasks; empty if it finds out as it goes which ones there are.
    pub tasks: Vec<Task>,
    /// The finished tasks, in the order of its journal, without repetition.
    pub finished: Vec<Task>,
    /// Its last start, and how many tasks were finished before.
    pub start: Option<(usize, Start)>,
    /// When the journal was last written.
    pub written: SystemTime,
    pub now: SystemTime,
}

impl Seen<'_> {
    /// Two lines: what is done; and since when, on what, at which rate and for how much longer. The rate is that from the last start to the
    /// last write. No trailing line break.
    pub fn text(&self) -> String {
        let Nouns { tasks, groups } = self.nouns;
        let mut tally = Tally::new(self.groups, groups);
        let all = if self.tasks.is_empty() { &self.finished } else { &self.tasks };
        all.iter().for_each(|&task| tally.add(task));
        let before = self.start.as_ref().map_or(0, |(before, _)| *before);
        let (earlier, later) = self.finished.split_at(before);
        earlier.iter().for_each(|&task| tally.take_over(task));
        later.iter().for_each(|&task| tally.count(task));
        let (finished, total) = tally.finished_groups();
        let done = match self.tasks.len() {
            0 => format!("{} {tasks} of {total} {groups} are finished; their results decide how many follow", self.finished.len()),
            all => format!("{} of {all} {tasks} and {finished} of {total} {groups} are finished", self.finished.len()),
        };
        format!("{done}\n{}", self.pace(&tally, later.len()))
    }

    fn pace(&self, tally: &Tally, later: usize) -> String {
        let since = |from: SystemTime, to: SystemTime| to.duration_since(from).unwrap_or_default();
        let last = format!("last written {} ago", span(since(self.written, self.now)));
        let started = self.start.as_ref().and_then(|(_, start)| Some((start, humantime::parse_rfc3339(&start.started).ok()?)));
        let Some((Start { started: when, ranks, threads }, started)) = started else { return last };
        let on = format!("{} with {}", counted(*ranks, "rank"), counted(*threads as usize, "thread"));
        let elapsed = since(started, self.written);
        let rate = match elapsed {
            Duration::ZERO => String::new(),
            _ if later == 0 => String::new(),
            elapsed => format!(", {}", rate(later as f64 / elapsed.as_secs_f64(), self.nouns.tasks)),
        };
        let left = match tally.left(elapsed) {
            _ if self.tasks.is_empty() || elapsed.is_zero() => String::new(),
            Some(left) => format!(", about {} left", span(left)),
            None => ", time left unknown".to_string(),
        };
        format!("started {when} on {on}, {last}{rate}{left}")
    }
}

/// `12 networks per minute`: per second, minute or hour, whichever is more readable.
fn rate(per_second: f64, noun: &str) -> String {
    let (number, unit) = match per_second {
        rate if rate >= 1.0 => (rate, "second"),
        rate if rate >= 1.0 / 60.0 => (60.0 * rate, "minute"),
        rate => (3600.0 * rate, "hour"),
    };
    let decimals = usize::from(number < 10.0);
    format!("{number:.decimals$} {noun} per {unit}")
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const NOUNS: Nouns = Nouns { tasks: "networks", groups: "cells" };

    fn task(group: usize, index: usize) -> Task {
        Task { group, index }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Three tasks of 1 s and two of 4 s; one of 1 s is from an earlier start.
    #[test]
    fn rate_and_time_left_are_those_since_the_last_start() {
        let groups = [(1.0, 3), (4.0, 2)].map(|(seconds, count)| Group::on_threads(count, seconds, 0));
        let tasks = vec![task(0, 0), task(0, 1), task(0, 2), task(1, 0), task(1, 1)];
        let start = Start { started: "1970-01-01T00:01:40Z".into(), ranks: 1, threads: 2 };
        let seen = Seen {
            groups: &groups,
            nouns: NOUNS,
            tasks,
            finished: vec![task(0, 1), task(1, 0), task(0, 0)],
            start: Some((1, start)),
            written: at(110),
            now: at(115),
        };
        // 5 s of predicted work in 10 s, 5 s left.
        let expected = "3 of 5 networks and 0 of 2 cells are finished\n\
                        started 1970-01-01T00:01:40Z on 1 rank with 2 threads, last written 5 s ago, 12 networks per minute, about 10 s left";
        assert_eq!(seen.text(), expected);
        let older = Seen { start: None, ..seen };
        assert_eq!(older.text(), "3 of 5 networks and 0 of 2 cells are finished\nlast written 5 s ago");
        let search = Seen { tasks: Vec::new(), ..older };
        assert!(search.text().starts_with("3 networks of 2 cells are finished; their results decide how many follow\n"));
    }

    #[test]
    fn clocks_that_disagree_are_harmless() {
        let groups = [Group::on_threads(2, 1.0, 0)];
        let start = Start { started: "1970-01-01T00:01:40Z".into(), ranks: 2, threads: 2 };
        let seen = Seen {
            groups: &groups,
            nouns: NOUNS,
            tasks: vec![task(0, 0), task(0, 1)],
            finished: vec![task(0, 0)],
            start: Some((0, start)),
            written: at(90),
            now: at(80),
        };
        assert!(seen.text().ends_with("on 2 ranks with 2 threads, last written 0 s ago"), "{}", seen.text());
    }
}
