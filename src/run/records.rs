//! The records that have reached the root, each in its place.

use anyhow::{ensure, format_err};

use crate::experiment::Unit;
use crate::plan::Plan;
use crate::results::CellResults;
use crate::unit::UnitRecord;

/// A place for the record of every unit of an experiment.
pub struct Records {
    networks: usize,
    inputs: usize,
    /// Cell by cell, network by network.
    places: Vec<Option<UnitRecord>>,
}

impl Records {
    /// Empty places for `cells` cells of `networks` networks with `inputs` inputs each.
    pub fn new(cells: usize, networks: usize, inputs: usize) -> Self {
        Self { networks, inputs, places: vec![None; cells * networks] }
    }

    /// Puts a record in its place. A record of no unit of this experiment, of the wrong length, or a second one, is an error.
    pub fn insert(&mut self, record: UnitRecord) -> anyhow::Result<()> {
        let Unit { cell, network } = record.unit;
        let known = network < self.networks && cell < self.places.len() / self.networks;
        ensure!(known, "a record is of network {network} of cell {cell} (the experiment has no such network) report this as a bug");
        ensure!(
            record.samples.len() == self.inputs,
            "the record of network {network} of cell {cell} has {} samples (the experiment has {} inputs) report this as a bug",
            record.samples.len(),
            self.inputs
        );
        let place = &mut self.places[cell * self.networks + network];
        ensure!(
            place.is_none(),
            "network {network} of cell {cell} was measured twice (every unit is assigned once) report this as a bug"
        );
        *place = Some(record);
        Ok(())
    }

    /// The records that are there, in the order of their units.
    pub fn into_records(self) -> Vec<UnitRecord> {
        self.places.into_iter().flatten().collect()
    }

    /// The finished cells, in the order of the plan. A missing record is an error.
    pub fn into_cells(self, plan: &Plan) -> anyhow::Result<Vec<CellResults>> {
        let total = self.places.len();
        let missing = self.places.iter().filter(|place| place.is_none()).count();
        if let Some(first) = self.places.iter().position(Option::is_none) {
            let (cell, network) = (first / self.networks, first % self.networks);
            return Err(format_err!(
                "{missing} of {total} records are missing, the first of network {network} of cell {} \
                 (they never reached rank 0) nothing was written; report this as a bug",
                plan.cells[cell].cell
            ));
        }
        let mut records = self.places.into_iter().flatten();
        let cells = plan.cells.iter().map(|cell| CellResults {
            cell: cell.cell,
            engine: cell.engine,
            search: cell.search,
            records: records.by_ref().take(self.networks).collect(),
        });
        Ok(cells.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Cell;
    use crate::network::dense::{Keep, Storage};
    use crate::plan::{CellPlan, UnitCost};
    use crate::results::{EngineName, SearchName};
    use crate::unit::{Sample, Status};

    fn record(cell: usize, network: usize) -> UnitRecord {
        let sample = Sample { step: 1.0, gradient_norm: 1.0, value: 1.0, status: Status::FoundExact, evaluations: 1 };
        UnitRecord { unit: Unit { cell, network }, samples: vec![sample; 4], seconds: 0.0 }
    }

    fn plan() -> Plan {
        let cell = |width| CellPlan {
            cell: Cell { depth: 1, dim: 2, width },
            engine: EngineName::Dense,
            search: SearchName::Line,
            cost: UnitCost { normals: 0.0, flops: 0.0, seconds: 0.0 },
            unit_bytes: 0,
            keep: Keep { weights: Storage::Stored, line: Storage::Stored },
        };
        Plan { cells: vec![cell(10), cell(20)], networks: 3, unit_memory: 0, process_bytes: 0 }
    }

    #[test]
    fn records_are_put_in_order() {
        let mut records = Records::new(2, 3, 4);
        for (cell, network) in [(1, 2), (0, 0), (1, 0), (0, 2), (0, 1), (1, 1)] {
            records.insert(record(cell, network)).unwrap();
        }
        let cells = records.into_cells(&plan()).unwrap();
        for (index, cell) in cells.iter().enumerate() {
            assert_eq!(cell.cell, plan().cells[index].cell);
            let units: Vec<Unit> = cell.records.iter().map(|record| record.unit).collect();
            assert_eq!(units, [0, 1, 2].map(|network| Unit { cell: index, network }));
        }
    }

    #[test]
    fn a_missing_record_is_an_error() {
        let mut records = Records::new(2, 3, 4);
        for (cell, network) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2)] {
            records.insert(record(cell, network)).unwrap();
        }
        let message = records.into_cells(&plan()).unwrap_err().to_string();
        assert!(message.starts_with("1 of 6 records are missing, the first of network 1 of cell (L=1, d=2, k=20)"), "{message}");
    }

    #[test]
    fn records_that_have_no_place_are_errors() {
        let mut records = Records::new(2, 3, 4);
        records.insert(record(0, 0)).unwrap();
        assert!(records.insert(record(0, 0)).unwrap_err().to_string().contains("twice"));
        assert!(records.insert(record(2, 0)).is_err());
        assert!(records.insert(record(0, 3)).is_err());
        let mut short = record(1, 1);
        short.samples.pop();
        assert!(records.insert(short).is_err());
    }
}
