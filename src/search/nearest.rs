//! The nearest flip that local search finds: a local minimum of the distance to the boundary f = 0 on the other side.
//!
//! From a boundary point b = x + r·u, ‖u‖ = 1, the direction is turned towards the normal v = −s ∇f(b)/‖∇f(b)‖ of the piece of the boundary at b,
//! u' = u + λ (v − u), normalised, for each λ of [`TURNS`]. If f flips nearer than r along u', at its first crossing, that is the new boundary point;
//! otherwise the next λ is tried. When none is left, b − x is parallel to ∇f(b) up to the smallest turn; then the gradients at other points of the
//! line, x + ρ r u with ρ of [`PROBES`], serve as normals too, which leads across the edges of pieces. When none helps, the search ends.
//!
//! The first start is the single step along the gradient, so the result is never farther away. Where f does not flip on that line, the direction
//! towards the end of a [`descent`] with small steps is a start: if the descent has flipped the sign, so does the line to its end. Each further start
//! turns the best direction so far randomly, and the nearest result counts. It is an upper bound on the distance to the boundary.

use ndarray::{Array2, ArrayView2};

use crate::kernels::Real;
use crate::model::SearchName;
use crate::network::Differentiated;
use crate::random::NetworkStreams;
use crate::record::Status;

use super::{NotFinite, Outcome, Start, descent, smallest_steps};

/// Parts of the way towards the normal, tried in this order.
const TURNS: [f64; 5] = [1.0, 0.5, 0.25, 0.1, 0.03];
/// Where on the line to the boundary point, as a part of its distance, the gradient serves as the normal, in this order.
const PROBES: [f64; 4] = [1.0, 1.25, 0.75, 1.6];
/// Smallest relative gain of a move: above the error of a crossing, which is larger where it is scanned.
const GAIN: f64 = 1e-5;
const GAIN_OF_SCAN: f64 = 1e-4;
/// Lengths of the random turns of further starts, cycled through.
const KICKS: [f64; 3] = [1.0, 0.5, 0.25];
/// Longest path of a descent that serves as a start, over the bound on the distance.
const LONGER: f64 = 4.0;
/// Maximum number of moves from one start.
const MAX_MOVES: u32 = 200;

/// What the searches of a network have in common.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How the first crossing along a line is searched.
    pub search: SearchName,
    /// Whether the last coordinate is a bias unit, which keeps its value.
    pub bias: bool,
    /// At least 1.
    pub starts: usize,
    /// Streams of the random turns of further starts.
    pub streams: NetworkStreams,
}

/// The local search from one start of one input.
struct Walk {
    line: Start,
    /// u, and the direction being tried; unit vectors.
    direction: Vec<f64>,
    trial: Vec<f64>,
    /// v at the probe; empty if it is to be computed.
    normal: Vec<f64>,
    /// r in units of ‖∇f(x)‖; the bound before the first crossing.
    step: f64,
    zero_step: f64,
    /// Indices into [`PROBES`] and [`TURNS`].
    probe: usize,
    turn: usize,
    moves: u32,
    /// Whether the trial direction is the unturned start.
    is_first: bool,
    is_found: bool,
    is_done: bool,
}

/// The nearest flips found from the inputs of `lines`, with a step in units of ‖∇f(x)‖ and the number of moves as evaluations. `inputs` and `gradient`
/// are x and ∇f, n × d; with a bias unit its column of `gradient` is 0.
///
/// # Errors
/// If a search meets a value that is not finite.
pub fn smallest_distances<T: Real>(
    network: &mut impl Differentiated<T>,
    inputs: ArrayView2<T>,
    gradient: &Array2<T>,
    lines: &[Start],
    settings: Settings,
) -> Result<Vec<Outcome>, NotFinite> {
    let mut best: Vec<Best> = lines.iter().map(|line| Best::new(line, gradient)).collect();
    let turned = (1..settings.starts).map(Origin::Turned);
    for origin in [Origin::Gradient, Origin::Descent].into_iter().chain(turned) {
        if origin == Origin::Descent {
            head_for_descents(network, inputs, gradient, &mut best, settings.bias)?;
        }
        let mut walks: Vec<Walk> = best.iter().map(|best| Walk::new(best, origin, settings)).collect();
        while walks.iter().any(|walk| !walk.is_done) {
            try_directions(network, gradient, &mut walks, settings)?;
            while walks.iter().any(Walk::needs_normal) {
                find_normals(network, inputs, &mut walks, settings.bias)?;
            }
        }
        best.iter_mut().zip(walks).for_each(|(best, walk)| best.receive(walk, origin));
    }
    Ok(best.into_iter().map(|best| best.outcome).collect())
}

/// Where a walk starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Against the gradient.
    Gradient,
    /// Towards the end of a descent, where no flip is known.
    Descent,
    /// Along the best direction so far, turned randomly; number 1, 2, ….
    Turned(usize),
}

/// The nearest flip of an input so far.
struct Best {
    line: Start,
    outcome: Outcome,
    /// The unit vector towards it; without a flip the latest start.
    direction: Vec<f64>,
    /// Whether `direction` leads to the end of a descent.
    is_led: bool,
}

impl Best {
    fn new<T: Real>(line: &Start, gradient: &Array2<T>) -> Self {
        Self { line: *line, outcome: Outcome::none(0), direction: against_gradient(line, gradient), is_led: false }
    }

    fn is_found(&self) -> bool {
        self.outcome.status.is_found()
    }

    fn receive(&mut self, walk: Walk, origin: Origin) {
        let evaluations = self.outcome.evaluations + walk.moves;
        self.outcome.evaluations = evaluations;
        if walk.is_found && (!self.is_found() || walk.step < self.outcome.step) {
            self.outcome = Outcome::found(walk.step, Status::FoundScan, evaluations).after_zero(walk.zero_step);
            self.direction = walk.direction;
        } else if origin == Origin::Gradient {
            self.outcome = Outcome::none(evaluations).after_zero(walk.zero_step);
        }
    }
}

/// Points the inputs without a flip towards the ends of descents that flip the sign.
fn head_for_descents<T: Real>(
    network: &mut impl Differentiated<T>,
    inputs: ArrayView2<T>,
    gradient: &Array2<T>,
    best: &mut [Best],
    bias: bool,
) -> Result<(), NotFinite> {
    // A path may be longer than the straight line to its end, but not by much; what would leave the bound with the first step is left out.
    let line_of = |best: &Best| Start { bound: LONGER * best.line.bound, ..best.line };
    let is_near = |best: &Best| best.line.decline > 0.0 && best.line.predicted_step() / descent::STEPS <= LONGER * best.line.bound;
    let mut unfound: Vec<&mut Best> = best.iter_mut().filter(|best| !best.is_found() && is_near(best)).collect();
    let lines: Vec<Start> = unfound.iter().map(|best| line_of(best)).collect();
    let (descended, ends) = descent::descend(network, inputs, gradient, &lines, bias, f64::INFINITY)?;
    for ((best, descended), end) in unfound.iter_mut().zip(descended).zip(ends.rows()) {
        if descended.outcome.status.is_found() {
            let x = inputs.row(best.line.input);
            best.direction = end.iter().zip(x).map(|(end, x)| end.to_f64() - x.to_f64()).collect();
            normalise(&mut best.direction);
            best.is_led = true;
        }
    }
    Ok(())
}

/// Searches the first crossing along the trial direction of every unfinished walk, nearer than its boundary point.
fn try_directions<T: Real>(
    network: &mut impl Differentiated<T>,
    gradient: &Array2<T>,
    walks: &mut [Walk],
    settings: Settings,
) -> Result<(), NotFinite> {
    let mut directions = Array2::from_elem(gradient.dim(), T::zero());
    let mut starts = Vec::new();
    let gain = if settings.search == SearchName::Scan { GAIN_OF_SCAN } else { GAIN };
    for walk in walks.iter_mut().filter(|walk| !walk.is_done) {
        walk.set_trial();
        let norm = walk.line.decline.sqrt();
        let row = directions.row_mut(walk.line.input);
        let mut slope = 0.0;
        for ((p, u), g) in row.into_iter().zip(&walk.trial).zip(gradient.row(walk.line.input)) {
            // The first line is that of direction gradient, bit for bit.
            *p = if walk.is_first { T::of_f64(-walk.line.sign * g.to_f64()) } else { T::of_f64(norm * u) };
            slope += walk.line.sign * p.to_f64() * g.to_f64();
        }
        let slope = if walk.is_first { walk.line.slope } else { slope };
        let bound = if walk.is_found { walk.step * (1.0 - gain) } else { walk.line.bound };
        starts.push(Start { slope, bound, ..walk.line });
    }
    let outcomes = smallest_steps(&mut network.lines(directions), &starts, settings.search)?;
    for (walk, outcome) in walks.iter_mut().filter(|walk| !walk.is_done).zip(outcomes) {
        walk.receive(&outcome);
    }
    Ok(())
}

/// Computes the normals of the walks that need one.
fn find_normals<T: Real>(
    network: &mut impl Differentiated<T>,
    inputs: ArrayView2<T>,
    walks: &mut [Walk],
    bias: bool,
) -> Result<(), NotFinite> {
    let mut moved: Vec<&mut Walk> = walks.iter_mut().filter(|walk| walk.needs_normal()).collect();
    let mut points = Array2::from_elem((moved.len(), inputs.ncols()), T::zero());
    for (mut point, walk) in points.rows_mut().into_iter().zip(&moved) {
        let distance = PROBES[walk.probe] * walk.step * walk.line.decline.sqrt();
        let x = inputs.row(walk.line.input);
        point.iter_mut().zip(x).zip(&walk.direction).for_each(|((b, x), u)| *b = T::of_f64(x.to_f64() + distance * u));
    }
    let there = network.value_and_gradient_at(points.view()).gradient;
    for (walk, row) in moved.iter_mut().zip(there.rows()) {
        let mut normal: Vec<f64> = row.iter().map(|g| -walk.line.sign * g.to_f64()).collect();
        if bias && let Some(last) = normal.last_mut() {
            *last = 0.0;
        }
        let length = normalise(&mut normal);
        NotFinite::check("∇f near the boundary", walk.line.input, length)?;
        walk.normal = normal;
        if length == 0.0 {
            // f is constant here.
            walk.next_probe();
        }
    }
    Ok(())
}

impl Walk {
    fn new(best: &Best, origin: Origin, settings: Settings) -> Self {
        let (line, mut direction) = (&best.line, best.direction.clone());
        let mut length = 1.0;
        if let Origin::Turned(start) = origin {
            let coordinates = direction.len() - usize::from(settings.bias);
            let mut turn = vec![0.0_f32; coordinates];
            settings.streams.turn(line.input, start, &mut turn);
            let kick = KICKS[(start - 1) % KICKS.len()];
            direction.iter_mut().zip(&turn).for_each(|(u, turn)| *u += kick * f64::from(*turn));
            length = normalise(&mut direction);
        }
        let is_needed = origin != Origin::Descent || best.is_led;
        Self {
            line: *line,
            trial: direction.clone(),
            direction,
            normal: Vec::new(),
            step: line.bound,
            zero_step: f64::NAN,
            probe: 0,
            turn: 0,
            moves: 0,
            is_first: origin == Origin::Gradient,
            is_found: false,
            is_done: length == 0.0 || !is_needed,
        }
    }

    fn needs_normal(&self) -> bool {
        self.is_found && !self.is_done && self.normal.is_empty()
    }

    /// The next direction to try; before the first crossing it is the start.
    fn set_trial(&mut self) {
        if self.is_found {
            let part = TURNS[self.turn];
            let turned = self.direction.iter().zip(&self.normal).map(|(u, v)| u + part * (v - u));
            self.trial = turned.collect();
            normalise(&mut self.trial);
        }
    }

    fn receive(&mut self, outcome: &Outcome) {
        self.is_first = false;
        if outcome.status.is_found() {
            self.direction.clone_from(&self.trial);
            (self.step, self.zero_step) = (outcome.step, outcome.zero_step);
            self.normal.clear();
            (self.probe, self.turn) = (0, 0);
            self.moves += u32::from(self.is_found);
            self.is_found = true;
            self.is_done = self.moves >= MAX_MOVES;
        } else {
            self.turn += 1;
            if !self.is_found {
                (self.zero_step, self.is_done) = (outcome.zero_step, true);
            } else if self.turn == TURNS.len() {
                self.next_probe();
            }
        }
    }

    fn next_probe(&mut self) {
        self.normal.clear();
        self.turn = 0;
        self.probe += 1;
        self.is_done = self.probe == PROBES.len();
    }
}

/// −s ∇f(x), of length 1.
fn against_gradient<T: Real>(line: &Start, gradient: &Array2<T>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.row(line.input).iter().map(|g| -line.sign * g.to_f64()).collect();
    normalise(&mut direction);
    direction
}

/// Scales to length 1, unless it is 0, and returns the length before.
fn normalise(vector: &mut [f64]) -> f64 {
    let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    length
}
