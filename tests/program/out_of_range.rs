//! Overflow: refused before the work where it can be predicted, else an error that names the network; never a found step.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ndarray::{Array2, ArrayView2, array};

use advstep_hpc::comm::failure::conclude;
use advstep_hpc::commands::export::{self, ExportRequest};
use advstep_hpc::commands::run::{self, RunRequest};
use advstep_hpc::experiment::Experiment;
use advstep_hpc::job::{Resources, Settings};
use advstep_hpc::measure::{OutOfRange, measure};
use advstep_hpc::model::Activation;
use advstep_hpc::model::{Cell, Direction, EngineChoice, INFINITE_WIDTH, Precision, SearchChoice, Unit};
use advstep_hpc::network::{Differentiated, LayerWeights, LineBlock, LinePoint, Lines, ValueAndGradient};
use advstep_hpc::plan::plan;
use advstep_hpc::plan::teams::TeamChoice;
use advstep_hpc::record::UnitRecord;
use advstep_hpc::search::{NotFinite, Start, descent, march, one_layer, scan, trace};

/// An experiment that once reported all steps as found in f32, some of them NaN; in f64 87.5 % are found. The options no longer permit it.
fn beyond_f32() -> Experiment {
    Experiment { gain: 2.5e10, bound: 1e9, seed: 1, ..crate::common::experiment(Cell::new(4, 10, 200), 1, 40) }
}

fn measured(experiment: &Experiment) -> Result<UnitRecord, OutOfRange> {
    let plan = plan(experiment, Resources { threads: 1, memory: 4 << 30 }).unwrap();
    measure(experiment, &plan.cells[0].run, Unit { cell: 0, network: 0 })
}

fn program(arguments: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_advstep-hpc")).args(arguments.split_whitespace()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn what_can_be_foreseen_is_refused_before_any_work() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("overflow.h5");
    let network = "--depth 4 --dim 10 --width 200";
    let cell = "--depths 4 --dims 10 --widths 200 --networks 1";
    let law = "--inputs 40 --gain 2.5e10 --bound 1e9 --seed 1";
    for command in [format!("run {cell} {law}"), format!("export {network} {law}")] {
        let (code, error) = program(&format!("{command} --out {}", out.display()));
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains("the bound 1e9 is too large at depth 4 and gain 2.5e10 in f32"), "{error}");
        assert!(error.ends_with("\nhelp: give a smaller bound or gain, fewer layers, or precision f64\n"), "{error}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
    let (code, error) = program(&format!("run {cell} {law} --precision f64 --quiet --out {}", out.display()));
    assert_eq!(code, Some(0), "{error}");
    let (code, error) = program(&format!("show {}", out.display()));
    assert_eq!(code, Some(0), "{error}");
}

#[test]
fn an_overflow_along_a_line_is_an_error_of_the_network() {
    let scan = Experiment { search: SearchChoice::Scan, ..beyond_f32() };
    let cases = [
        beyond_f32(),
        Experiment { engine: EngineChoice::Dense, ..scan.clone() },
        Experiment { engine: EngineChoice::Implicit, ..scan.clone() },
        Experiment { inputs: 10, ..scan.clone() },
        Experiment { directions: vec![Direction::Random], ..scan.clone() },
        Experiment { directions: vec![Direction::Gradient, Direction::Sign], ..scan.clone() },
        Experiment { activation: Activation::LeakyRelu, ..scan.clone() },
        Experiment { activation: Activation::Gelu, gain: 1e11, ..scan.clone() },
        // Squares overflow in the implicit engine, long before values do.
        Experiment { engine: EngineChoice::Implicit, gain: 1e6, bound: 1e8, ..scan.clone() },
        // Upper layers turn infinities into NaN.
        Experiment { gain: 1e14, bound: 20.0, engine: EngineChoice::Dense, ..scan.clone() },
        // Already at the inputs: f and its gradient.
        Experiment { gain: 1e30, bound: 20.0, ..scan.clone() },
        Experiment { gain: 1e30, bound: 20.0, engine: EngineChoice::Implicit, ..scan.clone() },
    ];
    for experiment in cases {
        let error = measured(&experiment).expect_err(&format!("{experiment:?}")).to_string();
        assert!(error.starts_with("network 0 of cell (L=4, d=10, k=200) cannot be measured: "), "{error}");
        assert!(error.contains("of input "), "{error}");
    }
    let double = measured(&Experiment { precision: Precision::F64, ..beyond_f32() }).unwrap();
    assert_eq!(double.samples.iter().filter(|sample| sample.status.is_found()).count(), 35);
}

#[test]
fn a_direction_and_a_descent_out_of_range_are_errors_too() {
    // Without activations the gradient grows by an extra factor √2 per layer.
    let cell = Cell::new(300, 5, 20);
    let universal = Experiment { gain: 2.0, directions: vec![Direction::Universal], ..crate::common::experiment(cell, 1, 5) };
    for engine in [EngineChoice::Dense, EngineChoice::Implicit] {
        let error = measured(&Experiment { engine, search: SearchChoice::Scan, ..universal.clone() }).unwrap_err().to_string();
        assert!(error.contains("the slope of f along p of input "), "{error}");
    }
    let error = measured(&Experiment {
        directions: vec![Direction::Descent],
        activation: Activation::Sine,
        gain: 1e38,
        ..crate::common::experiment(Cell::new(4, 10, 200), 1, 10)
    });
    assert!(error.is_err(), "{error:?}");
}

#[test]
fn networks_within_the_range_are_measured() {
    for experiment in [
        Experiment { gain: 1e5, ..crate::common::experiment(Cell::new(4, 10, 200), 1, 20) },
        Experiment { bound: 1e9, ..crate::common::experiment(Cell::new(3, 10, 200), 1, 20) },
        Experiment { bound: 1e-300, ..crate::common::experiment(Cell::new(2, 10, 200), 1, 20) },
        crate::common::experiment(Cell::new(3, 10, INFINITE_WIDTH), 1, 20),
        Experiment { bound: 1e9, ..crate::common::experiment(Cell::new(1, 10, INFINITE_WIDTH), 1, 20) },
    ] {
        measured(&experiment).unwrap();
    }
}

/// A network of two neurons per layer that evaluates to `number` everywhere.
struct Broken {
    psi: Activation,
    depth: usize,
    number: f64,
}

impl Lines<f64> for Broken {
    fn depth(&self) -> usize {
        self.depth
    }
    fn width(&self, _: usize) -> usize {
        2
    }
    fn activation(&self) -> Activation {
        self.psi
    }
    fn visit_first_layer(&mut self, visit: &mut dyn FnMut(LineBlock<f64>)) {
        let (z, u) = (array![[1.0, self.number]], array![[-1.0, 1.0]]);
        visit(LineBlock { neurons: 0..2, readout: &[1.0, -1.0], z: z.view(), u: u.view() });
    }
    fn evaluate(&mut self, points: &[LinePoint]) -> Vec<f64> {
        vec![self.number; points.len()]
    }
    fn weights(&mut self) -> Option<&mut dyn LayerWeights<f64>> {
        Some(self)
    }
}

impl LayerWeights<f64> for Broken {
    fn layer(&mut self, _: usize) -> Array2<f64> {
        array![[1.0, 1.0], [1.0, -1.0]]
    }
    fn readout(&mut self) -> Vec<f64> {
        vec![1.0, -1.0]
    }
}

impl Differentiated<f64> for Broken {
    fn lines(&mut self, _: Array2<f64>) -> impl Lines<f64> {
        Self { ..*self }
    }
    fn value_and_gradient_at(&mut self, _: ArrayView2<f64>) -> ValueAndGradient<f64> {
        ValueAndGradient { value: vec![self.number], gradient: array![[1.0, 1.0]] }
    }
    fn linear_gradient(&mut self) -> Array2<f64> {
        array![[self.number, 1.0]]
    }
}

#[test]
fn no_search_takes_a_number_that_is_not_finite_for_a_step() {
    let lines = [Start { input: 0, sign: 1.0, value: 1.0, decline: 2.0, slope: -2.0, bound: 20.0, spacing: f64::INFINITY }];
    for number in [f64::NAN, f64::INFINITY] {
        let broken = |psi, depth| Broken { psi, depth, number };
        let errors: [NotFinite; 6] = [
            scan::smallest_steps(&mut broken(Activation::Relu, 2), &lines).unwrap_err(),
            one_layer::smallest_steps(&mut broken(Activation::Relu, 1), &lines).unwrap_err(),
            one_layer::smallest_steps(&mut broken(Activation::LeakyRelu, 1), &lines).unwrap_err(),
            march::smallest_steps(&mut broken(Activation::Softplus, 1), &lines).unwrap_err(),
            trace::smallest_steps(&mut broken(Activation::Relu, 2), &lines).unwrap_err(),
            descent::descend(
                &mut broken(Activation::Relu, 2),
                array![[1.0, 1.0]].view(),
                &array![[1.0, 1.0]],
                &lines,
                false,
                f64::INFINITY,
            )
            .unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.input == 0 && !error.number.is_finite()), "{errors:?}");
    }
    let scanned = scan::smallest_steps(&mut Broken { psi: Activation::Relu, depth: 2, number: f64::NEG_INFINITY }, &lines);
    assert!(scanned.is_err(), "{scanned:?}");
    let infinite = crate::common::experiment(Cell::new(2, 10, INFINITE_WIDTH), 1, 20);
    let error = measured(&Experiment { gain: f64::NAN, ..infinite }).unwrap_err().to_string();
    assert!(error.contains("input 0: a gradient of norm NaN"), "{error}");
}

#[test]
fn an_export_out_of_range_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let request = ExportRequest {
        experiment: Experiment { engine: EngineChoice::Dense, ..beyond_f32() },
        unit: Unit { cell: 0, network: 0 },
        format: advstep_hpc::interchange::network::Format::Hdf5,
        out: directory.path().join("net.h5"),
        existing: advstep_hpc::files::Existing::Refuse,
        command_line: String::new(),
    };
    let error = export::execute(&request).unwrap_err();
    assert!(format!("{error:#}").contains("network 0 of cell (L=4, d=10, k=200) cannot be measured: "), "{error:#}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Set in child processes, which are this test binary again: the output file of their run.
const CHILD: &str = "ADVSTEP_TEST_OUT_OF_RANGE";

#[test]
fn a_run_out_of_range_ends_with_1_and_says_which_network() {
    if let Some(out) = std::env::var_os(CHILD) {
        let code = conclude(run::execute(|| Ok(request(out.as_ref()))));
        panic!("the run ended by itself, with {code:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("run.h5");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "out_of_range::a_run_out_of_range_ends_with_1_and_says_which_network", "--nocapture"]).env(CHILD, &out);
    let output = child.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("error: network 0 of cell (L=4, d=10, k=200) cannot be measured: f(x + t·p) of input "), "{error}");
    assert!(error.contains("\nhelp: give a smaller bound or gain, or precision f64\n") && !error.contains("panic"), "{error}");
    assert!(!out.exists());
}

/// Runs `experiment` on two ranks, each a child process running `test`; returns the exit code and the lines of errors.
#[cfg(feature = "mpi")]
fn on_two_ranks(test: &str, experiment: Experiment) -> (Option<i32>, Vec<String>) {
    if let Some(out) = std::env::var_os(CHILD) {
        let code = conclude(run::execute(|| Ok(RunRequest { experiment, ..request(out.as_ref()) })));
        panic!("the run ended by itself, with {code:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let mut command = crate::jobs::launcher();
    command.args(["-n", "2"]).arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    let output = crate::jobs::finish(command.env(CHILD, directory.path().join("run.h5")));
    let messages = crate::jobs::stderr(&output);
    let lines = messages.lines().filter(|line| line.contains("error: ") || line.contains("help: "));
    (output.status.code(), lines.map(str::to_string).collect())
}

#[cfg(feature = "mpi")]
#[test]
fn networks_out_of_range_on_all_ranks_are_one_error() {
    let experiment = Experiment { networks: 6, ..request(Path::new("")).experiment };
    let (code, lines) = on_two_ranks("out_of_range::networks_out_of_range_on_all_ranks_are_one_error", experiment);
    assert_eq!((code, lines.len()), (Some(1), 2), "{lines:?}");
    assert!(lines[0].contains("error: rank ") && lines[0].contains(" cannot be measured: "), "{lines:?}");
    assert!(lines[1].contains("help: give a smaller bound or gain, or precision f64"), "{lines:?}");
}

#[cfg(feature = "mpi")]
#[test]
fn a_network_out_of_range_on_another_rank_is_one_error() {
    // Rank 0 gets the cell of depth 1, which costs more and is within the range.
    let extra_cells = vec![Cell::new(4, 10, 200)];
    let alone = request(Path::new("")).experiment;
    // (A team would give both ranks a part of it.)
    let experiment = Experiment { depths: vec![1], dims: vec![10], widths: vec![1_000_000], extra_cells, ..alone };
    let (code, lines) = on_two_ranks("out_of_range::a_network_out_of_range_on_another_rank_is_one_error", experiment);
    assert_eq!((code, lines.len()), (Some(1), 2), "{lines:?}");
    assert!(lines[0].contains("error: rank 1 of 2: network 0 of cell (L=4, d=10, k=200) cannot be measured: "), "{lines:?}");
}

fn request(out: &Path) -> RunRequest {
    RunRequest {
        experiment: Experiment { search: SearchChoice::Scan, engine: EngineChoice::Dense, ..beyond_f32() },
        shard: None,
        extend: Vec::new(),
        plot: Vec::new(),
        team: TeamChoice::Never,
        settings: Settings {
            threads: Some(1),
            memory: Some(1 << 30),
            out: out.to_path_buf(),
            overwrite: false,
            fresh: false,
            snapshot: None,
            max_time: None,
            grace: Duration::from_secs(1),
            quiet: true,
            command_line: String::new(),
        },
    }
}
