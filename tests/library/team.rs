//! Teams: the same bits from any number of members, ranks and threads.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use advstep_hpc::experiment::Experiment;
use advstep_hpc::job::Resources;
use advstep_hpc::linalg::gaussian_matrix::{GaussianMatrix, Side};
use advstep_hpc::linalg::workspace::Workspace as LinalgWorkspace;
use advstep_hpc::measure::{CellRun, Workspace, measure, measure_in};
use advstep_hpc::method;
use advstep_hpc::model::{EngineName, SearchName, Unit};
use advstep_hpc::network::dense::{Keep, Storage};
use advstep_hpc::plan::plan;
use advstep_hpc::plan::traffic::Traffic;
use advstep_hpc::record::codec;
use advstep_hpc::team::{Link, Share, Team, traffic};
use ndarray::{Array2, Axis, concatenate, s};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

/// Messages on their way from one rank to another.
type Queue = VecDeque<Vec<f64>>;

/// Messages between ranks that are threads of this process, by sender and receiver.
#[derive(Default)]
struct Post {
    queues: Mutex<HashMap<(usize, usize), Queue>>,
    arrived: Condvar,
}

struct LocalLink {
    rank: usize,
    ranks: usize,
    post: Arc<Post>,
}

impl Link for LocalLink {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn send(&self, to: usize, message: &[f64]) {
        self.post.queues.lock().unwrap().entry((self.rank, to)).or_default().push_back(message.to_vec());
        self.post.arrived.notify_all();
    }

    fn receive(&self, from: usize, _is_lost: &dyn Fn() -> bool) -> Vec<f64> {
        let mut queues = self.post.queues.lock().unwrap();
        loop {
            if let Some(message) = queues.get_mut(&(from, self.rank)).and_then(VecDeque::pop_front) {
                return message;
            }
            queues = self.post.arrived.wait(queues).unwrap();
        }
    }
}

/// Runs `work` on every member of a team of ranks with these many threads.
fn in_team<R: Send>(threads: &[usize], work: impl Fn(&Team) -> R + Sync) -> Vec<R> {
    let post = Arc::new(Post::default());
    let members = threads.iter().sum();
    let mut teams = Vec::new();
    for (rank, &count) in threads.iter().enumerate() {
        let link = LocalLink { rank, ranks: threads.len(), post: Arc::clone(&post) };
        let link: Option<Box<dyn Link>> = (threads.len() > 1).then(|| Box::new(link) as _);
        teams.extend(Team::of_threads(count, link, teams.len(), members));
    }
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> = teams.into_iter().map(|team| scope.spawn(move || work(&team))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

const TEAMS: [&[usize]; 8] = [&[2], &[3], &[1, 1], &[1, 2], &[4], &[2, 2], &[3, 1, 3], &[1, 1, 1, 1, 1, 1, 1]];

/// Sums of numbers of very different sizes: another order would give other bits.
#[test]
fn sums_have_the_same_bits_in_every_team() {
    for length in [1, 10_000, 8192 * 7 + 100, 8192 * 64, 300 * 8192 + 1] {
        let number = |index: usize| (index as f64 * 0.7).sin() * 10f64.powi((index * 13 % 37) as i32 - 18);
        let sum = |team: &Team| {
            let share = Share::of(length, team);
            let sum = |round: usize| {
                share.sum(2, |range, sum| {
                    for index in range {
                        sum[0] += number(share.start() + index + round);
                        sum[1] += 1.0;
                    }
                })
            };
            (0..3).map(sum).collect::<Vec<_>>()
        };
        let alone = sum(&Team::alone());
        assert!(alone.iter().all(|sums| sums[1] == length as f64));
        for threads in TEAMS {
            assert!(in_team(threads, sum).iter().all(|sums| *sums == alone), "{length} numbers, {threads:?} threads");
        }
    }
}

#[test]
fn a_flag_of_any_member_is_seen_by_all() {
    for threads in TEAMS {
        let members: usize = threads.iter().sum();
        for raised in 0..=members {
            assert!(in_team(threads, |team| team.any(team.member() == raised)).iter().all(|&any| any == (raised < members)));
        }
    }
}

#[test]
fn a_member_that_panics_does_not_leave_the_others_waiting() {
    let outcome = std::panic::catch_unwind(|| {
        in_team(&[3], |team| {
            // Unwinding drops this member, which wakes the others.
            assert!(team.member() != 1, "on purpose");
            team.any(true)
        })
    });
    assert!(outcome.is_err());
}

const ROWS: usize = 40_000;
const COLUMNS: usize = 25_000;

/// The parts, 2 × (this member's rows or columns), of A x, Aᵀ y and A x′ for a Gaussian matrix A of [`ROWS`] × [`COLUMNS`].
fn products(team: &Team) -> [Array2<f64>; 3] {
    let fresh = |side: Side, direction: usize, chunk: usize, out: &mut [f64]| {
        let mut generator =
            Xoshiro256PlusPlus::seed_from_u64((chunk as u64) << 32 | (direction as u64) << 1 | u64::from(side == Side::Times));
        out.fill_with(|| StandardNormal.sample(&mut generator));
    };
    let (rows, columns) = (Share::of(ROWS, team), Share::of(COLUMNS, team));
    let part = |whole: &Array2<f64>, share: &Share| whole.slice(s![.., share.start()..share.start() + share.len()]).to_owned();
    let [x, y, later] = vectors();
    let mut matrix = GaussianMatrix::new(rows.clone(), columns.clone(), Box::new(fresh), &LinalgWorkspace::in_team(team));
    let ax = matrix.times(part(&x, &columns));
    [ax, matrix.transpose_times(part(&y, &rows)), matrix.times(part(&later, &columns))]
}

/// x, y and x′, two each; one x′ is close to an x.
fn vectors() -> [Array2<f64>; 3] {
    let wave = |length: usize, seed: f64| Array2::from_shape_fn((2, length), |(i, j)| ((j as f64 + seed) * (1.3 + i as f64)).sin());
    let [x, y, mut later] = [wave(COLUMNS, 0.1), wave(ROWS, 0.2), wave(COLUMNS, 0.3)];
    let nearly = &x.row(0) + &later.row(0) * 1e-4;
    later.row_mut(0).assign(&nearly);
    [x, y, later]
}

/// A split matrix is one matrix, ⟨y, A x⟩ = ⟨Aᵀ y, x⟩, and the same in every team.
#[test]
fn a_split_matrix_is_one_matrix() {
    let alone = products(&Team::alone());
    let [x, y, later] = vectors();
    let [ax, aty, alater] = &alone;
    for (x, ax) in [(&x, ax), (&later, alater)] {
        let (left, right) = (y.dot(&ax.t()), aty.dot(&x.t()));
        let scale = (ROWS as f64 * COLUMNS as f64).sqrt() / 2.0;
        assert!((&left - &right).iter().all(|difference| difference.abs() < 1e-11 * scale), "{left} {right}");
        assert!(left.iter().any(|product| product.abs() > 0.1 * scale), "{left}");
    }
    for threads in TEAMS {
        let parts = in_team(threads, products);
        for (at, whole) in alone.iter().enumerate() {
            let views: Vec<_> = parts.iter().map(|parts| parts[at].view()).collect();
            assert!(concatenate(Axis(1), &views).unwrap() == *whole, "{threads:?} threads");
        }
    }
}

/// The first network of the only cell of an experiment, as bytes.
fn measured(experiment: &Experiment, team: &Team) -> Vec<u8> {
    let [cell] = experiment.cells()[..] else { panic!("one cell") };
    let keep = Keep { weights: Storage::Regenerated, line: Storage::Regenerated };
    let run = CellRun { cell, method: method::of(cell, experiment), keep };
    let record = measure_in(&Workspace::in_team(team), experiment, &run, Unit { cell: 0, network: 0 }).unwrap();
    codec::encode(&record.samples, 0.0)
}

fn same_in_every_team(engine: EngineName, settings: &str) {
    for precision in ["f32", "f64", "bf16x3"] {
        let toml = format!("networks = 1\nseed = 7\nprecision = '{precision}'\n{settings}");
        let experiment = Experiment::from_toml(&toml, "test").unwrap();
        assert_eq!(method::of(experiment.cells()[0], &experiment).engine, engine);
        let alone = measured(&experiment, &Team::alone());
        for threads in TEAMS {
            for bytes in in_team(threads, |team| measured(&experiment, team)) {
                assert!(bytes == alone, "{settings}, {precision}, {threads:?} threads");
            }
        }
    }
}

#[test]
fn implicit_networks_of_every_depth_are_the_same_in_every_team() {
    let implicit = |settings: &str| same_in_every_team(EngineName::Implicit, &format!("engine = 'implicit'\n{settings}"));
    implicit("depths = [1]\ndims = [7]\nwidths = [60000]\ninputs = 4");
    implicit("depths = [2]\ndims = [20]\nwidths = [60000]\ninputs = 3");
    implicit("depths = [4]\ndims = [30]\nwidths = [20000]\ninputs = 2");
}

#[test]
fn implicit_networks_of_any_shape_and_directions_are_the_same_in_every_team() {
    let implicit = |settings: &str| same_in_every_team(EngineName::Implicit, &format!("engine = 'implicit'\n{settings}"));
    implicit("dims = [20]\nhidden = [[60000, 5, 20000]]\ninputs = 3\ndirections = ['gradient', 'sign', 'universal']");
    implicit("depths = [2]\ndims = [5]\nwidths = [20000]\ninputs = 2\nactivation = 'tanh'");
    implicit("depths = [2]\ndims = [400]\nwidths = [20000]\ninputs = 3\nreadout = 'gaussian'");
}

#[test]
fn shallow_networks_are_the_same_in_every_team() {
    same_in_every_team(EngineName::Shallow, "engine = 'implicit'\ndepths = [1]\ndims = [40]\nwidths = [60000]\ninputs = 5");
    let gaussian = "engine = 'implicit'\nreadout = 'gaussian'\ndepths = [1]\ndims = [40]\nwidths = [100000]\ninputs = 2";
    same_in_every_team(EngineName::Shallow, gaussian);
}

#[test]
fn dense_networks_of_one_layer_are_the_same_in_every_team() {
    let dense = |settings: &str| same_in_every_team(EngineName::Dense, &format!("engine = 'dense'\ndepths = [1]\n{settings}"));
    dense("dims = [7]\nwidths = [200000]\ninputs = 4");
    dense("dims = [7]\nwidths = [60000]\ninputs = 3\nactivation = 'tanh'");
    dense(
        "dims = [3]\nwidths = [60000]\ninputs = 3\nactivation = 'leaky-relu'\nbias = true\ndirections = ['gradient', 'universal']",
    );
    dense("dims = [7]\nwidths = [60000]\ninputs = 3\nsearch = 'scan'");
}

/// Compares the sums over neurons in measured units with the plan's model: their count within a factor of two, their total length within four. Line
/// searches get a factor of 20, because their lists depend on the data and cost a team little. Neither quantity depends much on the width.
#[test]
fn the_plan_reckons_with_the_messages_of_a_unit() {
    let mut off = Vec::new();
    for (engine, cell) in [
        ("implicit", "depths = [2]\ndims = [100]\nwidths = [2000]\ninputs = 20"),
        ("implicit", "depths = [4]\ndims = [30]\nwidths = [1000]\ninputs = 40"),
        ("implicit", "depths = [3]\ndims = [500]\nwidths = [3000]\ninputs = 30"),
        ("implicit", "depths = [1]\ndims = [500]\nwidths = [20000]\ninputs = 50"),
        ("dense", "depths = [1]\ndims = [20]\nwidths = [100000]\ninputs = 30"),
        ("dense", "depths = [1]\ndims = [20]\nwidths = [30000]\ninputs = 30\nactivation = 'tanh'"),
    ] {
        let experiment = Experiment::from_toml(&format!("engine = '{engine}'\nnetworks = 3\n{cell}"), "test").unwrap();
        let plan = plan(&experiment, Resources { threads: 1, memory: 1 << 40 }).unwrap();
        let run = &plan.cells[0].run;
        let before = traffic();
        for network in 0..experiment.networks {
            measure(&experiment, run, Unit { cell: 0, network }).unwrap();
        }
        let after = traffic();
        let per_network = |count: u64| count as f64 / experiment.networks as f64;
        let (reductions, numbers) =
            (per_network(after.reductions - before.reductions), per_network(after.numbers - before.numbers));
        let model = Traffic::of_unit(run.cell, &experiment, run.method);
        let sizes = if run.method.search == SearchName::Line { 20.0 } else { 4.0 };
        println!(
            "{engine} {cell:?}: {reductions} sums counted, {:.1} by the model; {numbers} and {:.0} numbers",
            model.reductions, model.numbers
        );
        for (counted, modelled, most) in [(reductions, model.reductions, 2.0), (numbers, model.numbers, sizes)] {
            if !(1.0 / most..most).contains(&(modelled / counted)) {
                off.push(format!("{engine}, {cell}: {counted} counted, {modelled} by the model"));
            }
        }
    }
    assert!(off.is_empty(), "{off:#?}");
}
