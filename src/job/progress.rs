//! Progress of the whole job on rank 0's standard error: a bar on a terminal, a line now and then elsewhere.
//!
//! Tasks are weighted by predicted cost. The remaining time is extrapolated from the elapsed time.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Group, Task};
use crate::machine::terminal;

/// Steps of the bar.
const STEPS: f64 = 10_000.0;

/// The progress of a job.
pub struct Progress {
    tally: Tally,
    started: Instant,
    display: Display,
}

enum Display {
    Bar(ProgressBar),
    Lines(Schedule),
    Silent,
}

impl Progress {
    /// Of a job of `groups`, called `noun`. Its tasks are [added](Self::add) as they become known.
    pub fn new(groups: &[Group], noun: &'static str, quiet: bool) -> Self {
        let display = match (quiet, terminal::can_redraw()) {
            (true, _) => Display::Silent,
            (false, true) => Display::Bar(bar()),
            (false, false) => Display::Lines(Schedule::default()),
        };
        Self { tally: Tally::new(groups, noun), started: Instant::now(), display }
    }

    /// Prints a line, above the bar if there is one.
    pub fn say(&self, line: &str) {
        match &self.display {
            Display::Bar(bar) => bar.println(line),
            Display::Lines(_) => terminal::say(line),
            Display::Silent => {}
        }
    }

    /// Adds unfinished tasks.
    pub fn add(&mut self, tasks: impl IntoIterator<Item = Task>) {
        tasks.into_iter().for_each(|task| self.tally.add(task));
    }

    /// Counts a task finished by an earlier start.
    pub fn take_over(&mut self, task: Task) {
        self.tally.take_over(task);
    }

    /// Counts a task finished by this start, on any rank.
    pub fn count(&mut self, task: Task) {
        self.tally.count(task);
    }

    /// Updates the display if due. Cheap; to be called often.
    pub fn show(&mut self) {
        let elapsed = self.started.elapsed();
        match &mut self.display {
            Display::Bar(bar) => {
                bar.set_position((self.tally.fraction() * STEPS) as u64);
                bar.set_message(self.tally.text(elapsed));
            }
            Display::Lines(schedule) => {
                if schedule.is_due(elapsed) {
                    self.tally.print(elapsed);
                }
            }
            Display::Silent => {}
        }
    }

    /// Removes the bar, or prints the last line.
    pub fn end(&self) {
        match &self.display {
            Display::Bar(bar) => bar.finish_and_clear(),
            Display::Lines(_) => self.tally.print(self.started.elapsed()),
            Display::Silent => {}
        }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}").expect("the template is valid");
    let bar = ProgressBar::with_draw_target(Some(STEPS as u64), ProgressDrawTarget::stderr());
    bar.with_style(style)
}

/// Counts of finished work.
pub struct Tally {
    /// Predicted seconds per task of each group.
    costs: Vec<f64>,
    /// Unfinished tasks of each group; `None` if it never had one.
    left: Vec<Option<usize>>,
    finished_groups: usize,
    /// Groups that had a task.
    groups: usize,
    noun: &'static str,
    /// Predicted seconds of the finished tasks.
    cost: f64,
    /// Predicted seconds of all tasks.
    total: f64,
    /// Part of `cost` due to an earlier start.
    taken_over: f64,
}

impl Tally {
    pub fn new(groups: &[Group], noun: &'static str) -> Self {
        Self {
            costs: groups.iter().map(|group| group.seconds).collect(),
            left: vec![None; groups.len()],
            finished_groups: 0,
            groups: 0,
            noun,
            cost: 0.0,
            total: 0.0,
            taken_over: 0.0,
        }
    }

    /// Adds an unfinished task.
    pub fn add(&mut self, task: Task) {
        let left = &mut self.left[task.group];
        self.groups += usize::from(left.is_none());
        self.finished_groups -= usize::from(*left == Some(0));
        *left = Some(left.unwrap_or(0) + 1);
        self.total += self.costs[task.group];
    }

    /// Counts a task finished by an earlier start.
    pub fn take_over(&mut self, task: Task) {
        self.count(task);
        self.taken_over = self.cost;
    }

    /// Counts a task finished by this start.
    pub fn count(&mut self, task: Task) {
        let left = self.left[task.group].as_mut().expect("a finished task was added before");
        *left -= 1;
        self.finished_groups += usize::from(*left == 0);
        self.cost += self.costs[task.group];
    }

    /// Finished groups, and all that have a task.
    pub fn finished_groups(&self) -> (usize, usize) {
        (self.finished_groups, self.groups)
    }

    /// Finished fraction of the predicted cost; 1 only if every group is finished.
    fn fraction(&self) -> f64 {
        if self.finished_groups == self.groups {
            return 1.0;
        }
        if self.total > 0.0 { (self.cost / self.total).min(0.999) } else { 0.0 }
    }

    /// Estimated remaining time; `None` until enough is finished to extrapolate.
    pub fn left(&self, elapsed: Duration) -> Option<Duration> {
        if self.finished_groups == self.groups {
            return Some(Duration::ZERO);
        }
        let (done, left) = (self.cost - self.taken_over, (self.total - self.cost).max(0.0));
        (done > 0.005 * (done + left))
            .then(|| Duration::try_from_secs_f64(elapsed.as_secs_f64() * left / done))
            .and_then(Result::ok)
    }

    fn text(&self, elapsed: Duration) -> String {
        let left = match self.left(elapsed) {
            Some(left) => format!("about {} left", span(left)),
            None => "time left unknown".to_string(),
        };
        format!("{}/{} {}, {} elapsed, {left}", self.finished_groups, self.groups, self.noun, span(elapsed))
    }

    fn print(&self, elapsed: Duration) {
        terminal::say(&format!("advstep-hpc: {:3.0} %  {}", 100.0 * self.fraction(), self.text(elapsed)));
    }
}

/// `47 s`, `3 min 20 s`, `5 h 07 min`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// When lines are printed: first after 10 s, then at intervals that grow by half up to 5 min.
struct Schedule {
    next: Duration,
    interval: Duration,
}

impl Schedule {
    const LONGEST: Duration = Duration::from_secs(300);

    fn is_due(&mut self, elapsed: Duration) -> bool {
        if elapsed < self.next {
            return false;
        }
        self.interval = self.interval.mul_f64(1.5).min(Self::LONGEST);
        self.next = elapsed + self.interval;
        true
    }
}

impl Default for Schedule {
    fn default() -> Self {
        let interval = Duration::from_secs(10);
        Self { next: interval, interval }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(groups: &[(f64, usize)]) -> Tally {
        let groups: Vec<Group> = groups.iter().map(|&(seconds, count)| Group::on_threads(count, seconds, 0)).collect();
        let mut tally = Tally::new(&groups, "cells");
        let tasks = groups.iter().enumerate().flat_map(|(group, of)| (0..of.count).map(move |index| task(group, index)));
        tasks.for_each(|task| tally.add(task));
        tally
    }

    fn task(group: usize, index: usize) -> Task {
        Task { group, index }
    }

    #[test]
    fn progress_is_weighted_by_cost_and_groups_end_with_their_last_task() {
        let mut tally = tally(&[(9.0, 2), (1.0, 2), (5.0, 0)]);
        tally.count(task(0, 1));
        assert_eq!((tally.fraction(), tally.finished_groups), (0.45, 0));
        tally.count(task(1, 0));
        tally.count(task(1, 1));
        assert_eq!((tally.fraction(), tally.finished_groups), (0.55, 1));
        assert_eq!(tally.text(Duration::from_secs(110)), "1/2 cells, 1 min 50 s elapsed, about 1 min 30 s left");
        tally.count(task(0, 0));
        assert_eq!((tally.fraction(), tally.finished_groups), (1.0, 2));
        assert_eq!(tally.left(Duration::from_secs(5)), Some(Duration::ZERO));
    }

    #[test]
    fn tasks_of_a_later_round_reopen_their_group() {
        let mut tally = tally(&[(1.0, 2), (2.0, 1)]);
        [task(0, 0), task(0, 1), task(1, 0)].into_iter().for_each(|task| tally.count(task));
        assert_eq!((tally.fraction(), tally.finished_groups, tally.groups), (1.0, 2, 2));
        tally.add(task(0, 2));
        tally.add(task(0, 3));
        assert!((tally.fraction() - 4.0 / 6.0).abs() < 1e-12);
        assert_eq!((tally.finished_groups, tally.groups), (1, 2));
        [task(0, 3), task(0, 2)].into_iter().for_each(|task| tally.count(task));
        assert_eq!((tally.fraction(), tally.finished_groups), (1.0, 2));
    }

    #[test]
    fn the_time_left_is_extrapolated_from_this_start_only() {
        let mut tally = tally(&[(1.0, 10)]);
        (0..6).for_each(|index| tally.count(task(0, index)));
        tally.taken_over = tally.cost;
        assert_eq!(tally.left(Duration::from_secs(5)), None);
        tally.count(task(0, 6));
        assert_eq!((tally.fraction(), tally.left(Duration::from_secs(5))), (0.7, Some(Duration::from_secs(15))));
    }

    #[test]
    fn zero_costs_are_harmless() {
        let mut tally = tally(&[(0.0, 2)]);
        tally.count(task(0, 0));
        assert_eq!((tally.fraction(), tally.left(Duration::from_secs(9))), (0.0, None));
        tally.count(task(0, 1));
        assert_eq!(tally.fraction(), 1.0);
    }

    #[test]
    fn intervals_between_lines_grow() {
        let mut schedule = Schedule::default();
        let times: Vec<u64> = (0..24 * 3600).filter(|&second| schedule.is_due(Duration::from_secs(second))).collect();
        assert_eq!(times[..3], [10, 25, 48]);
        let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (10..=300).contains(gap)));
        assert_eq!(gaps.last(), Some(&300));
    }

    #[test]
    fn spans_of_time() {
        let texts = [0, 59, 60, 200, 3599, 3600, 18_420].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(texts, ["0 s", "59 s", "1 min 00 s", "3 min 20 s", "59 min 59 s", "1 h 00 min", "5 h 07 min"]);
    }
}
