//! Which cells are computed by teams, and by how many ranks.
//!
//! One thread a unit is the most efficient. A cell gets teams where that is impossible or wasteful: its unit does not fit the memory of a rank, or so few
//! do that threads stay idle, or its unit would be the tail of the job. For the last, the assignment is simulated for some [`FRACTIONS`] of the
//! ideal duration that a unit may take, with units that take more or less than predicted, and the shortest job wins. No choice changes a result.
//!
//! All ranks must come to the same decisions, so these depend on what the ranks have in common: their number, their fewest and most threads, and their
//! least memory.

use crate::error::BadInput;
use crate::experiment::Experiment;
use crate::job::assign::assign;
use crate::job::{Group, Ranks, Task, TeamTime};
use crate::model::{Cell, Method};
use crate::network::dense::Keep;

use super::memory::{self, Footprint};
use super::traffic::Traffic;
use super::{UnitCost, cost};

/// Whether units are computed by teams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TeamChoice {
    /// Where it pays.
    #[default]
    Auto,
    Never,
    /// Every cell that can be, by teams of this many ranks.
    Ranks(usize),
}

/// The team that computes a unit of a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellTeam {
    /// Ranks, with all of their threads.
    pub ranks: usize,
    /// Threads of all ranks.
    pub members: usize,
    /// Predicted seconds from start to end of a unit.
    pub seconds: f64,
    pub keep: Keep,
    /// Thread-seconds of a unit on a single thread that keeps the same.
    pub cost: UnitCost,
    /// Peak bytes of a member.
    pub member_bytes: u64,
}

/// Longest units, over the ideal duration of the job. The first: whatever their length.
const FRACTIONS: [f64; 6] = [f64::INFINITY, 0.5, 0.25, 0.125, 0.0625, 0.03125];
/// With more units than this the assignment is not simulated, and the fraction is [`USUAL_FRACTION`].
const MOST_SIMULATED: usize = 1_000_000;
const USUAL_FRACTION: f64 = 0.25;
/// Units that take no longer (s) are left to one thread.
const LEAST_SECONDS: f64 = 0.02;
/// Least efficiency of a team that shortens the tail.
const LEAST_EFFICIENCY: f64 = 0.25;
/// Largest team that is suggested.
const MOST_RANKS: usize = 4096;
/// A job with more teams must be shorter by this factor.
const LEAST_SHORTER: f64 = 1.01;
/// Errors of prediction in the simulation, at most: of a cell, and of a unit. `cargo bench --bench cost_model` prints today's.
const CELL_ERROR: f64 = 0.3;
const UNIT_ERROR: f64 = 0.15;
/// Part of its time that a member waits for the slowest.
const WAITING: f64 = 0.03;
/// A team twice as large must be faster by this factor.
const LEAST_GAIN: f64 = 1.2;

/// What the decisions are taken from.
pub struct Teams<'e> {
    pub experiment: &'e Experiment,
    pub ranks: Ranks,
    /// Units of a cell in this job.
    pub networks: usize,
}

/// The ways to compute a unit of one cell.
struct Ways {
    /// Thread-seconds on one thread, if a rank holds one.
    single: Option<f64>,
    /// Units that run side by side on the threads of a rank.
    side_by_side: usize,
    /// By increasing number of ranks.
    teams: Vec<CellTeam>,
}

impl Teams<'_> {
    /// The team of each of the experiment's cells with these `methods`; `None`: one thread, or nobody if it does not fit a rank.
    ///
    /// # Errors
    /// There are fewer ranks than chosen.
    pub fn decide(&self, cells: &[(Cell, Method)], choice: TeamChoice) -> Result<Vec<Option<CellTeam>>, BadInput> {
        match choice {
            TeamChoice::Never => Ok(vec![None; cells.len()]),
            TeamChoice::Ranks(ranks) => {
                self.check(ranks)?;
                let team = |&(cell, method)| self.leanest(cell, method, ranks);
                Ok(cells.iter().map(team).collect())
            }
            TeamChoice::Auto => Ok(self.choose(cells)),
        }
    }

    fn check(&self, ranks: usize) -> Result<(), BadInput> {
        let what = format!("there are no teams of {ranks} ranks");
        if ranks > self.ranks.count {
            let why = match self.ranks.count {
                1 => "there is one rank".to_string(),
                count => format!("there are {count} ranks"),
            };
            return Err(BadInput::new(what, why, "give a smaller --team, or more ranks"));
        }
        if ranks > 1 && !self.ranks.are_linked {
            let why = "the MPI library does not provide MPI_THREAD_SERIALIZED";
            return Err(BadInput::new(what, why, "give --team 1, or use an MPI library with thread support"));
        }
        Ok(())
    }

    /// Bytes for units on any rank.
    pub fn unit_memory(&self) -> u64 {
        self.ranks.least.memory.saturating_sub(memory::process_bytes(self.experiment, self.ranks.most_threads))
    }

    /// The team of `ranks` ranks that keeps the most that fits, or the least if nothing does.
    fn leanest(&self, cell: Cell, method: Method, ranks: usize) -> Option<CellTeam> {
        let threads = self.ranks.least.threads;
        let ways = memory::of_member(cell, self.experiment, method, ranks * threads);
        let fits = ways.iter().find(|footprint| self.fits(footprint.bytes));
        fits.or(ways.last()).map(|footprint| self.team(cell, method, ranks, *footprint))
    }

    /// Whether every thread of a rank can be a member that holds this many bytes.
    pub fn fits(&self, member_bytes: u64) -> bool {
        member_bytes.saturating_mul(self.ranks.most_threads as u64) <= self.unit_memory()
    }

    fn team(&self, cell: Cell, method: Method, ranks: usize, Footprint { keep, bytes }: Footprint) -> CellTeam {
        let threads = self.ranks.least.threads;
        let cost = cost::of_unit(cell, self.experiment, method, keep);
        let seconds = cost.undivided
            + (1.0 + WAITING) * (cost.seconds - cost.undivided) * largest_part(cell, ranks * threads)
            + Traffic::of_unit(cell, self.experiment, method).seconds(ranks, threads);
        CellTeam { ranks, members: ranks * threads, seconds, keep, cost, member_bytes: bytes }
    }

    /// Whether a team of the ranks at hand holds a unit.
    pub fn is_held(&self, cell: Cell, method: Method) -> bool {
        let most = if self.ranks.are_linked { self.ranks.count } else { 1 };
        powers_of_two(most).into_iter().chain([most]).any(|ranks| {
            ranks * self.ranks.least.threads > 1
                && self.leanest(cell, method, ranks).is_some_and(|team| self.fits(team.member_bytes))
        })
    }

    /// Fewest ranks like these that hold a unit together; `None`: no number does.
    pub fn fewest_ranks(&self, cell: Cell, method: Method) -> Option<usize> {
        let mut sizes = powers_of_two(MOST_RANKS).into_iter();
        sizes.find(|&ranks| self.leanest(cell, method, ranks).is_some_and(|team| self.fits(team.member_bytes)))
    }

    /// The teams that shorten the job.
    fn choose(&self, cells: &[(Cell, Method)]) -> Vec<Option<CellTeam>> {
        let most = if self.ranks.are_linked { self.ranks.count } else { 1 };
        let usual = powers_of_two(most);
        let of = |sizes: &[usize]| cells.iter().map(|&(cell, method)| self.ways(cell, method, sizes)).collect::<Vec<Ways>>();
        let mut ways = of(&usual);
        // More ranks than the largest power of two, if only they hold a cell.
        if !most.is_power_of_two() && ways.iter().any(|ways| ways.single.is_none() && ways.teams.is_empty()) {
            let all = of(&factors(most));
            if all.iter().filter(|ways| !ways.teams.is_empty()).count() > ways.iter().filter(|ways| !ways.teams.is_empty()).count()
            {
                ways = all;
            }
        }
        let workers = (self.ranks.count * self.ranks.least.threads) as f64;
        let seconds = ways.iter().map(|ways| ways.single.or(ways.teams.first().map(|team| team.cost.seconds)).unwrap_or(0.0));
        let ideal = seconds.sum::<f64>() * self.networks as f64 / workers;
        let with = |fraction: f64| ways.iter().map(|ways| ways.team(fraction * ideal)).collect::<Vec<_>>();
        if self.networks.saturating_mul(cells.len()) > MOST_SIMULATED {
            return with(USUAL_FRACTION);
        }
        let mut best = with(FRACTIONS[0]);
        let mut seen = best.clone();
        let mut shortest = None;
        for fraction in &FRACTIONS[1..] {
            let teams = with(*fraction);
            if teams != seen {
                let before = *shortest.get_or_insert_with(|| self.makespan(&ways, &best));
                let makespan = self.makespan(&ways, &teams);
                if makespan * LEAST_SHORTER < before {
                    (best, shortest) = (teams.clone(), Some(makespan));
                }
                seen = teams;
            }
        }
        best
    }

    fn ways(&self, cell: Cell, method: Method, sizes: &[usize]) -> Ways {
        let (threads, memory) = (self.ranks.least.threads, self.unit_memory());
        let footprints = memory::footprints(cell, self.experiment, method);
        let single = memory::fastest(&footprints, memory, threads);
        let side_by_side = single.map_or(0, |single| ((memory / single.bytes.max(1)) as usize).min(threads));
        let members = |ranks: &&usize| **ranks * threads > 1;
        let teams = sizes.iter().filter(members).filter_map(|&ranks| self.leanest(cell, method, ranks));
        Ways {
            single: single.map(|single| cost::of_unit(cell, self.experiment, method, single.keep).seconds),
            side_by_side,
            teams: teams.filter(|team| self.fits(team.member_bytes)).collect(),
        }
    }

    /// Duration of the job in a simulation with errors of prediction.
    fn makespan(&self, ways: &[Ways], teams: &[Option<CellTeam>]) -> f64 {
        let threads = self.ranks.least.threads;
        let group = |(ways, team): (&Ways, &Option<CellTeam>)| Group {
            team: team.map(|team| TeamTime { ranks: team.ranks, seconds: team.seconds }),
            ..Group::on_threads(self.networks, ways.single.unwrap_or(0.0), 0)
        };
        let groups: Vec<Group> = ways.iter().zip(teams).map(group).collect();
        let shares = assign(&groups, &vec![threads as u64; self.ranks.count]);
        let seconds = |task: Task| {
            let of_cell = 1.0 + CELL_ERROR * scatter(task.group as u64);
            let of_unit = 1.0 + UNIT_ERROR * scatter(((task.group as u64 + 1) << 32) + task.index as u64);
            groups[task.group].duration() * of_cell * of_unit
        };
        shares.iter().map(|share| share.seconds(threads, seconds)).fold(0.0, f64::max)
    }
}

impl Ways {
    /// The team if a unit should take at most `target` seconds; `None`: one thread.
    fn team(&self, target: f64) -> Option<CellTeam> {
        let first = self.teams.first();
        let single = self.single.or(first.map(|team| team.cost.seconds))?;
        let mut best = first.filter(|_| self.single.is_none()).copied();
        // Threads that would stay idle for want of memory.
        if let Some(first) = first.filter(|first| first.ranks == 1)
            && first.seconds * (self.side_by_side as f64) < single
            && self.side_by_side < first.members
        {
            best = Some(*first);
        }
        let now = |best: &Option<CellTeam>| best.map_or(single, |team| team.seconds);
        if single <= LEAST_SECONDS {
            return best;
        }
        for team in &self.teams {
            if now(&best) <= target {
                break;
            }
            let is_larger = best.is_none_or(|best| team.ranks > best.ranks);
            if is_larger && team.seconds * LEAST_GAIN < now(&best) && single > LEAST_EFFICIENCY * team.seconds * team.members as f64
            {
                best = Some(*team);
            }
        }
        best
    }
}

/// The part of a unit's divided work that the busiest member has.
fn largest_part(cell: Cell, members: usize) -> f64 {
    let widest = (1..=cell.depth).map(|layer| cell.width_of(layer)).max().unwrap_or(1);
    memory::longest_part(widest, members) / widest as f64
}

/// A number in (−1, 1) for each index, the same everywhere (SplitMix64).
fn scatter(index: u64) -> f64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// 1, 2, 4, … up to `most`.
fn powers_of_two(most: usize) -> Vec<usize> {
    std::iter::successors(Some(1), |size| Some(2 * size)).take_while(|&size| size <= most).collect()
}

/// Divisors of `number` that divide each other, from 1 to itself: by its prime factors.
fn factors(number: usize) -> Vec<usize> {
    let (mut sizes, mut left, mut factor) = (vec![1], number, 2);
    while left > 1 {
        if factor * factor > left {
            factor = left;
        }
        if left.is_multiple_of(factor) {
            left /= factor;
            sizes.push(sizes[sizes.len() - 1] * factor);
        } else {
            factor += 1;
        }
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::presets::Preset;
    use crate::job::Resources;
    use crate::plan::forecast::forecast;
    use crate::plan::remaining::Remaining;
    use crate::plan::{Plan, least_memory, plan_on};

    fn experiment(toml: &str) -> Experiment {
        Experiment::from_toml(toml, "test").unwrap()
    }

    fn planned(experiment: &Experiment, ranks: usize, threads: usize, memory: u64, choice: TeamChoice) -> Result<Plan, BadInput> {
        plan_on(experiment, Ranks::equal(ranks, Resources { threads, memory }), choice, experiment.networks)
    }

    fn sizes(plan: &Plan) -> Vec<usize> {
        plan.cells.iter().map(|cell| cell.team.map_or(0, |team| team.ranks)).collect()
    }

    const WIDE: &str = "depths = [3]\ndims = [100]\nwidths = [1000000]\nnetworks = 50\ninputs = 50\nengine = 'implicit'";

    #[test]
    fn sizes_of_teams_divide_each_other() {
        assert_eq!(powers_of_two(20), [1, 2, 4, 8, 16]);
        assert_eq!((factors(1), factors(12), factors(97)), (vec![1], vec![1, 2, 4, 12], vec![1, 97]));
        for number in 1..300 {
            let sizes = factors(number);
            assert!(sizes.windows(2).all(|pair| pair[1] % pair[0] == 0) && sizes[sizes.len() - 1] == number, "{sizes:?}");
        }
    }

    #[test]
    fn a_cell_that_no_rank_holds_gets_the_smallest_team_that_does() {
        let wide = Experiment { networks: 5000, ..experiment(WIDE) };
        let gib = 1u64 << 30;
        let alone = least_memory(&wide, 1);
        assert!(alone > 2 * gib);
        for memory in [gib, gib + gib / 2, 2 * gib] {
            let plan = planned(&wide, 16, 1, memory, TeamChoice::Auto).unwrap();
            let ranks = sizes(&plan)[0];
            // As many as the memory asks for, or more for the tail.
            let fits = |ranks: usize| planned(&wide, 16, 1, memory, TeamChoice::Ranks(ranks)).is_ok();
            assert!(ranks > 1 && fits(ranks), "{memory}: {ranks}");
            assert!(plan.cells[0].unit_bytes + plan.process_bytes <= memory);
            assert_eq!(Some(ranks), [1, 2, 4, 8, 16].into_iter().find(|&ranks| fits(ranks)), "{memory}");
            let refused = planned(&wide, ranks / 2, 1, memory, TeamChoice::Auto).unwrap_err();
            assert!(refused.remedy.ends_with(&format!("; {ranks} ranks with this memory hold it together")), "{refused:?}");
            assert!(planned(&wide, 16, 1, memory, TeamChoice::Never).is_err());
        }
    }

    /// Three ranks hold what two do not: the team of all of them does not nest with teams of two, so there are none.
    #[test]
    fn a_number_of_ranks_that_is_no_power_of_two_can_be_one_team() {
        let wide = experiment(WIDE);
        let bytes = |ranks| planned(&wide, 3, 1, 64 << 30, TeamChoice::Ranks(ranks)).unwrap();
        let (two, three) = (bytes(2), bytes(3));
        let between = three.process_bytes + (two.cells[0].unit_bytes + three.cells[0].unit_bytes) / 2;
        assert_eq!(sizes(&planned(&wide, 3, 1, between, TeamChoice::Auto).unwrap()), [3]);
    }

    #[test]
    fn idle_threads_join_where_memory_admits_few_units() {
        let wide = experiment(WIDE);
        let memory = least_memory(&wide, 4) / 4 * 5;
        let plan = planned(&wide, 1, 4, memory, TeamChoice::Auto).unwrap();
        assert_eq!(sizes(&plan), [1]);
        let team = plan.cells[0].team.unwrap();
        assert!(team.members == 4 && team.seconds < 0.3 * team.cost.seconds, "{team:?}");
        // With memory for one unit a thread, and many units, each thread has its own.
        let many = Experiment { networks: 2000, ..wide };
        assert_eq!(sizes(&planned(&many, 1, 4, 10 * memory, TeamChoice::Auto).unwrap()), [0]);
    }

    #[test]
    fn few_networks_share_ranks_and_many_do_not() {
        let few = Experiment { networks: 2, ..experiment(WIDE) };
        let plan = planned(&few, 8, 2, 64 << 30, TeamChoice::Auto).unwrap();
        assert!(sizes(&plan)[0] >= 2, "{plan:?}");
        let alone = planned(&few, 8, 2, 64 << 30, TeamChoice::Never).unwrap();
        let resources = Resources { threads: 2, memory: 64 << 30 };
        let makespan = |plan: &Plan| forecast(&Remaining::all(plan), resources, 8).makespan;
        assert!(makespan(&plan) < 0.3 * makespan(&alone));
        let many = Experiment { networks: 2000, ..few };
        assert_eq!(sizes(&planned(&many, 8, 2, 64 << 30, TeamChoice::Auto).unwrap()), [0]);
    }

    #[test]
    fn only_cells_that_can_have_a_team_get_one() {
        let mixed = experiment("depths = [1, 2]\ndims = [10, 500]\nwidths = [100, 10000, inf]\nnetworks = 3\ninputs = 20");
        let plan = planned(&mixed, 4, 1, 64 << 30, TeamChoice::Ranks(4)).unwrap();
        for cell in &plan.cells {
            let method = cell.run.method.to_string();
            let can = ["dense line", "shallow line", "implicit scan"].contains(&method.as_str())
                && (cell.run.cell.depth == 1 || method.starts_with("implicit"));
            assert_eq!(cell.team.is_some(), can, "{}: {method}", cell.run.cell);
        }
        assert!(sizes(&plan).contains(&4) && sizes(&plan).contains(&0));
        let certified =
            experiment("depths = [1]\ndims = [10]\nwidths = [10000]\ninputs = 5\ndirections = ['nearest']\ncertify = true");
        assert_eq!(sizes(&planned(&certified, 4, 1, 64 << 30, TeamChoice::Ranks(4)).unwrap()), [0]);
    }

    /// Only what all ranks have in common takes part.
    #[test]
    fn ranks_with_other_resources_decide_alike() {
        let wide = experiment(WIDE);
        let least = Resources { threads: 2, memory: 2 << 30 };
        let teams = |own| {
            let ranks = Ranks { own, ..Ranks::equal(8, least) };
            plan_on(&wide, ranks, TeamChoice::Auto, 50).unwrap().cells[0].team
        };
        assert!(teams(least).is_some());
        assert_eq!(teams(least), teams(Resources { threads: 5, memory: 64 << 30 }));
    }

    /// A rank has all of its threads in the team, each with data of every input.
    #[test]
    fn the_members_on_the_rank_with_the_most_threads_fit() {
        let wide_inputs = experiment("depths = [1]\ndims = [100000]\nwidths = [40000]\nnetworks = 1\ninputs = 100");
        let least = Resources { threads: 1, memory: 500 << 20 };
        let with = |most_threads| {
            let ranks = Ranks { most_threads, ..Ranks::equal(2, least) };
            plan_on(&wide_inputs, ranks, TeamChoice::Ranks(2), 1)
        };
        assert!(with(1).is_ok());
        assert!(with(16).unwrap_err().what.contains("does not fit into 500.0 MiB"));
    }

    #[test]
    fn teams_hardly_lengthen_a_job_as_predicted_and_shorten_it_on_many_ranks() {
        let paper = Preset::Paper.options().validate().unwrap();
        for (ranks, threads) in [(1, 2), (3, 4), (64, 1), (1000, 2)] {
            let resources = Resources { threads, memory: 64 << 30 };
            let makespan = |choice| {
                let plan = planned(&paper, ranks, threads, resources.memory, choice).unwrap();
                forecast(&Remaining::all(&plan), resources, ranks).makespan
            };
            let (with, without) = (makespan(TeamChoice::Auto), makespan(TeamChoice::Never));
            // Predictions are not exact: what is lost is for the errors.
            assert!(with <= 1.06 * without, "{ranks} × {threads}: {with} s with teams, {without} s without");
        }
        let resources = Resources { threads: 1, memory: 4 << 30 };
        let plan = planned(&paper, 65_536, 1, resources.memory, TeamChoice::Auto).unwrap();
        let forecast = forecast(&Remaining::all(&plan), resources, 65_536);
        assert!(forecast.efficiency > 0.5, "{forecast:?}");
        assert!(sizes(&plan).into_iter().all(|ranks| ranks <= 256));
    }

    /// The part that is as long as a layer is divided.
    #[test]
    fn four_ranks_need_little_more_than_a_quarter_each() {
        for toml in [
            "depths = [6]\ndims = [500]\nwidths = [1000000]\ninputs = 100\nnetworks = 1",
            "depths = [2]\ndims = [500]\nwidths = [10000000]\ninputs = 50\nnetworks = 1",
        ] {
            let large = experiment(toml);
            let bytes = |choice| planned(&large, 4, 1, 1 << 45, choice).unwrap().cells[0].unit_bytes as f64;
            let (whole, part) = (bytes(TeamChoice::Never), bytes(TeamChoice::Ranks(4)));
            assert!(part < 0.3 * whole && part > 0.24 * whole, "{part} of {whole}");
        }
    }
}
