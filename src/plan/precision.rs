//! What precision bf16x3 costs on this machine, which decides nothing: a line of `plan`.

use super::calibrate::Machine;
use super::cost;
use super::{Plan, UnitCost};
use crate::experiment::Experiment;
use crate::experiment::options::is_in_range;
use crate::kernels::gemm::split::tiles::Availability;
use crate::model::Precision;

/// A saving below this factor is not worth a line.
const LEAST_SAVING: f64 = 1.1;

/// A line for people: that an experiment in f32 would be faster in bf16x3, if the machine has `tiles`, bf16x3 holds its numbers, and the saving is at
/// least [`LEAST_SAVING`]; or, for one in bf16x3, what its products use. Times are those on `machine`.
pub fn line(plan: &Plan, experiment: &Experiment, machine: Machine, tiles: Availability) -> String {
    let seconds = |precision| {
        let experiment = Experiment { precision, ..experiment.clone() };
        let cost = |cell: &super::CellPlan| {
            let run = cell.run;
            machine.cost(cost::of_unit(run.cell, &experiment, run.method, run.keep))
        };
        plan.cells.iter().map(cost).fold(UnitCost::default(), UnitCost::plus).seconds
    };
    let has_tiles = tiles == Availability::Available;
    match experiment.precision {
        Precision::F32 if has_tiles && is_in_range(&Experiment { precision: Precision::Bf16x3, ..experiment.clone() }) => {
            let saving = seconds(Precision::F32) / seconds(Precision::Bf16x3);
            if saving < LEAST_SAVING {
                return String::new();
            }
            format!("precision bf16x3 would be {saving:.1} times as fast on this machine, which has AMX tiles\n")
        }
        Precision::Bf16x3 => {
            let ratio = seconds(Precision::Bf16x3) / seconds(Precision::F32);
            format!("precision bf16x3 takes {ratio:.1} times as long as f32 on this machine (AMX tiles: {})\n", tiles.text())
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Resources;
    use crate::plan::plan;

    fn line_of(form: &str, tiles: Availability) -> String {
        let cell = if form.contains("depths") { "" } else { "depths = [2]\ndims = [500]\nwidths = [3000]\n" };
        let toml = format!("{cell}networks = 2\ninputs = 100\nengine = 'dense'\n{form}");
        let experiment = Experiment::from_toml(&toml, "test").unwrap();
        let plan = plan(&experiment, Resources { threads: 1, memory: 1 << 33 }).unwrap();
        line(&plan, &experiment, Machine::of_model(tiles), tiles)
    }

    #[test]
    fn a_machine_with_tiles_is_said_to_be_faster_and_one_without_slower() {
        let factor = |line: &str| line.split(' ').find_map(|word| word.parse::<f64>().ok()).unwrap();
        let faster = line_of("", Availability::Available);
        assert!(faster.starts_with("precision bf16x3 would be ") && (1.1..2.4).contains(&factor(&faster)), "{faster}");
        let slower = line_of("precision = 'bf16x3'", Availability::NoInstructions);
        assert!(slower.ends_with("(AMX tiles: none)\n") && (1.5..6.0).contains(&factor(&slower)), "{slower}");
        assert!(factor(&line_of("precision = 'bf16x3'", Availability::Available)) < 1.0);
        for tiles in [Availability::NoInstructions, Availability::Refused, Availability::Different] {
            assert_eq!(line_of("", tiles), "");
            assert_eq!(line_of("precision = 'f64'", Availability::Available), "");
        }
        // Too deep for bf16x3, whose products would be faster.
        let deep = line_of("depths = [60]\ndims = [50]\nwidths = [300]", Availability::Available);
        assert_eq!(deep, "");
        // Drawing dominates: nothing to save.
        let toml = "depths = [1]\ndims = [1000]\nwidths = [1000]\nnetworks = 2\ninputs = 1\nengine = 'dense'";
        let experiment = Experiment::from_toml(toml, "test").unwrap();
        let plan = plan(&experiment, Resources { threads: 1, memory: 1 << 33 }).unwrap();
        assert_eq!(line(&plan, &experiment, Machine::of_model(Availability::Available), Availability::Available), "");
    }
}
