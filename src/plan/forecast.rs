//! Predicted time, balance and memory of a plan on many ranks, and the matching `#SBATCH` header.

use bytesize::ByteSize;

use super::remaining::Remaining;
use super::report::span;
use crate::job::assign::{Share, assign_wanted, loads_of_threads};
use crate::job::{Resources, Task};
use crate::text::counted;

/// Safety factor and margin (s) of the time limit: rates were measured on another machine.
const TIME_FACTOR: f64 = 1.5;
const TIME_MARGIN: f64 = 600.0;
/// Safety factor of the memory request.
const MEMORY_FACTOR: f64 = 1.1;
/// Seconds before the time limit at which Slurm signals the job; see `--signal` in sbatch(1).
const NOTICE: u64 = 120;

/// Predicted cost of a plan on `ranks` ranks with `threads` worker threads each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    pub ranks: usize,
    /// Worker threads of each rank.
    pub threads: usize,
    /// Seconds until the last unit ends.
    pub makespan: f64,
    /// Load imbalance: largest work of a rank over the mean, ≥ 1.
    pub balance: f64,
    /// Work, if done by single threads, over makespan × threads, in (0, 1].
    pub efficiency: f64,
    /// Peak bytes per rank.
    pub bytes: u64,
}

/// Simulates a run's assignment of the units that are left to ranks and teams of them, and of each rank's units to its threads.
pub fn forecast(left: &Remaining, resources: Resources, ranks: usize) -> Forecast {
    let threads = resources.threads;
    let shares = assign_wanted(&left.plan.groups(), &vec![threads as u64; ranks], |task| left.has(task));
    let seconds = |task: Task| left.cost(task).seconds;
    // Teams wait for each other; on another machine by as much longer as their units take.
    let slower = |share: &Share| {
        let planned: f64 = share.in_teams.iter().map(|task| left.plan.cells[task.group].cost.seconds).sum();
        if planned > 0.0 { share.in_teams.iter().copied().map(seconds).sum::<f64>() / planned } else { 1.0 }
    };
    let in_teams: Vec<f64> = shares.iter().map(|share| share.teams_end * slower(share)).collect();
    let single = |share: &Share| share.single.iter().copied().map(seconds).sum::<f64>();
    let work: Vec<f64> = shares.iter().zip(&in_teams).map(|(share, end)| end * threads as f64 + single(share)).collect();
    let ends = shares.iter().zip(&in_teams).map(|(share, end)| end + most(&loads_of_threads(&share.single, threads, seconds)));
    let makespan = ends.fold(0.0, f64::max);
    let on_threads: f64 = left.cells().iter().map(|left| left.cost.seconds).sum();
    let total: f64 = work.iter().sum();
    let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 1.0 };
    Forecast {
        ranks,
        threads: resources.threads,
        makespan,
        balance: ratio(most(&work) * ranks as f64, total),
        efficiency: ratio(on_threads, makespan * (ranks * threads) as f64),
        bytes: rank_bytes(left, threads),
    }
}

fn most(seconds: &[f64]) -> f64 {
    seconds.iter().copied().fold(0.0, f64::max)
}

/// Peak bytes per rank: its threads run the largest units concurrently, up to the unit memory.
fn rank_bytes(left: &Remaining, threads: usize) -> u64 {
    let plan = left.plan;
    let cells: Vec<_> = plan.cells.iter().zip(left.cells()).filter(|(_, left)| left.networks > 0).collect();
    let of = |is_in_team: bool| cells.iter().filter(move |(cell, _)| cell.team.is_some() == is_in_team);
    let mut units: Vec<(u64, usize)> = of(false).map(|(cell, left)| (cell.unit_bytes, left.networks)).collect();
    units.sort_unstable_by(|a, b| b.cmp(a));
    let largest = units.iter().flat_map(|&(bytes, networks)| std::iter::repeat_n(bytes, networks)).take(threads);
    let single = largest.fold(0, u64::saturating_add).min(plan.unit_memory);
    // Teams have the rank for themselves.
    plan.process_bytes + of(true).map(|(cell, _)| cell.unit_bytes).fold(single, u64::max)
}

impl Forecast {
    /// A one-line summary.
    pub fn line(&self) -> String {
        format!(
            "on {} with {}: {}, load imbalance (max/mean) {:.3}, thread utilisation {:.0} %, {} per rank\n",
            counted(self.ranks, "rank"),
            counted(self.threads, "thread"),
            span(self.makespan),
            self.balance,
            100.0 * self.efficiency,
            ByteSize(self.bytes),
        )
    }

    /// The header of a Slurm batch script for job `name`.
    pub fn sbatch(&self, name: &str) -> String {
        let name: String = name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
        let mebibytes = (self.bytes as f64 * MEMORY_FACTOR / self.threads as f64 / f64::from(1 << 20)).ceil();
        format!(
            "#!/usr/bin/env bash\n\
             # Predicted: {}, {} per rank; the limits below include a safety margin.\n\
             #SBATCH --job-name={name}\n\
             #SBATCH --ntasks={}\n\
             #SBATCH --cpus-per-task={}\n\
             #SBATCH --mem-per-cpu={mebibytes}M\n\
             #SBATCH --time={}\n\
             #SBATCH --signal=B:USR1@{NOTICE}\n\
             #SBATCH --requeue\n\
             #SBATCH --open-mode=append\n",
            span(self.makespan),
            ByteSize(self.bytes),
            self.ranks,
            self.threads,
            time_limit(self.makespan),
        )
    }
}

/// A Slurm time limit, `days-hours:minutes:seconds`, rounded up to minutes.
fn time_limit(seconds: f64) -> String {
    let minutes = ((seconds * TIME_FACTOR + TIME_MARGIN) / 60.0).ceil() as u64;
    format!("{}-{:02}:{:02}:00", minutes / 1440, minutes / 60 % 24, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;
    use crate::plan::{Plan, plan};

    fn planned(threads: usize) -> (Plan, Resources) {
        let toml = "depths = [1, 3]\ndims = [10]\nwidths = [10, 100, 1000]\nnetworks = 50\ninputs = 20";
        let resources = Resources { threads, memory: 4 << 30 };
        (plan(&Experiment::from_toml(toml, "test").unwrap(), resources).unwrap(), resources)
    }

    #[test]
    fn one_thread_takes_the_sum() {
        let (plan, resources) = planned(1);
        let forecast = forecast(&Remaining::all(&plan), resources, 1);
        assert!((forecast.makespan / plan.seconds() - 1.0).abs() < 1e-9);
        assert_eq!(forecast.balance, 1.0);
        assert!((forecast.efficiency - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_end_is_no_earlier_than_the_work_and_the_largest_unit_allow() {
        for (ranks, threads) in [(1, 4), (3, 2), (64, 1), (1000, 2)] {
            let (plan, resources) = planned(threads);
            let forecast = forecast(&Remaining::all(&plan), resources, ranks);
            let mean = plan.seconds() / (ranks * threads) as f64;
            let largest = plan.cells.iter().map(|cell| cell.cost.seconds).fold(0.0, f64::max);
            assert!(forecast.makespan >= mean.max(largest) * (1.0 - 1e-9), "{forecast:?}");
            // Graham's bound, once over the ranks and once over the threads of a rank.
            assert!(forecast.makespan <= (mean + 2.0 * largest) * (1.0 + 1e-9), "{forecast:?}");
            assert!(forecast.balance >= 1.0 && (0.0..=1.0 + 1e-9).contains(&forecast.efficiency), "{forecast:?}");
        }
    }

    #[test]
    fn memory_is_that_of_the_largest_units_side_by_side() {
        let (plan, resources) = planned(3);
        let largest = plan.cells.iter().map(|cell| cell.unit_bytes).max().unwrap();
        assert_eq!(forecast(&Remaining::all(&plan), resources, 2).bytes, plan.process_bytes + 3 * largest);
        let tight = Plan { unit_memory: largest, ..plan };
        assert_eq!(forecast(&Remaining::all(&tight), resources, 2).bytes, tight.process_bytes + largest);
    }

    #[test]
    fn time_limits_are_slurms() {
        assert_eq!(time_limit(0.0), "0-00:10:00");
        assert_eq!(time_limit(3600.0), "0-01:40:00");
        assert_eq!(time_limit(200_000.0), "3-11:30:00");
        assert_eq!(time_limit(0.1), "0-00:11:00");
    }

    #[test]
    fn the_header_asks_for_what_was_predicted() {
        let forecast = Forecast { ranks: 64, threads: 2, makespan: 3600.0, balance: 1.0, efficiency: 1.0, bytes: 1000 << 20 };
        let header = forecast.sbatch("paper 2\n");
        for line in ["--job-name=paper-2-", "--ntasks=64", "--cpus-per-task=2", "--mem-per-cpu=550M", "--time=0-01:40:00"] {
            assert!(header.lines().any(|found| found == format!("#SBATCH {line}")), "{line} in {header}");
        }
    }
}
