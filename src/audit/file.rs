//! An audit as an HDF5 file, written aside and sealed as results files are. `docs/audit.md` lists what is in it.

use std::path::Path;

use hdf5::types::VarLenUnicode;
use hdf5::{Group, H5Type};
use ndarray::Array2;

use super::entry::Scope;
use super::run::Audit;
use super::{Entry, Measured, statements};
use crate::model::Activation;
use crate::files::{self, Existing, place, seal};
use crate::provenance::Provenance;
use crate::results::write::{set_number, set_text, write_provenance};

const FORMAT: &str = "advstep-hpc audit";
const VERSION: u32 = 1;

/// Writes `audit` to `path`.
pub fn write(path: &Path, existing: Existing, audit: &Audit, provenance: &Provenance) -> anyhow::Result<()> {
    place::write(path, existing, |aside| {
        let file = files::hdf5::create(aside)?;
        set_text(&file, "format", FORMAT)?;
        set_number(&file, "format_version", VERSION)?;
        set_number(&file, "seed", audit.options.seed)?;
        set_number(&file, "networks", audit.options.networks as u64)?;
        write_statements(&file.create_group("statements")?, audit)?;
        write_entries(&file.create_group("entries")?, &audit.entries)?;
        let group = file.create_group("measured")?;
        audit.measured.iter().try_for_each(|measured| write_measured(&group, measured))?;
        write_provenance(&file.create_group("provenance")?, provenance)?;
        file.close()?;
        Ok(seal::seal(aside)?)
    })
}

fn write_statements(group: &Group, audit: &Audit) -> anyhow::Result<()> {
    let chosen = || audit.options.statements.iter().map(|&index| statements::ALL[index]);
    strings(group, "id", chosen().map(|statement| statement.id().to_string()))?;
    strings(group, "citation", chosen().map(|statement| statement.citation().to_string()))?;
    strings(group, "claim", chosen().map(|statement| statement.claim().to_string()))
}

fn write_entries(group: &Group, entries: &[Entry]) -> anyhow::Result<()> {
    let setting = |entry: &Entry| match entry.scope {
        Scope::One(setting) => (setting.dim as i64, setting.width as i64, setting.activation),
        Scope::Across(activation) => (0, 0, activation),
    };
    let regime = |entry: &Entry| entry.regime().map_or_else(String::new, |regime| regime.label().to_string());
    strings(group, "statement", entries.iter().map(|entry| entry.statement.to_string()))?;
    strings(group, "part", entries.iter().map(|entry| entry.part.clone()))?;
    strings(group, "activation", entries.iter().map(|entry| Activation::name(setting(entry).2).to_string()))?;
    numbers(group, "dim", entries.iter().map(|entry| setting(entry).0))?;
    numbers(group, "width", entries.iter().map(|entry| setting(entry).1))?;
    strings(group, "regime", entries.iter().map(regime))?;
    numbers(group, "gamma", entries.iter().map(|entry| entry.gamma))?;
    strings(group, "quantity", entries.iter().map(|entry| entry.quantity.clone()))?;
    numbers(group, "bound", entries.iter().map(|entry| entry.bound))?;
    numbers(group, "estimate", entries.iter().map(|entry| entry.estimate.value))?;
    numbers(group, "estimate_low", entries.iter().map(|entry| entry.estimate.low))?;
    numbers(group, "estimate_high", entries.iter().map(|entry| entry.estimate.high))?;
    numbers(group, "failures", entries.iter().map(|entry| entry.failures.map_or(-1, |(failures, _)| failures as i64)))?;
    numbers(group, "trials", entries.iter().map(|entry| entry.failures.map_or(-1, |(_, trials)| trials as i64)))?;
    numbers(group, "networks", entries.iter().map(|entry| entry.networks as i64))?;
    numbers(group, "room", entries.iter().map(|entry| entry.room))?;
    strings(group, "verdict", entries.iter().map(|entry| entry.verdict.label().to_string()))?;
    strings(group, "why", entries.iter().map(|entry| entry.why.clone()))
}

/// `/measured/STATEMENT/ACTIVATION-dD-kK`, networks × columns; the attribute `columns` names these.
fn write_measured(group: &Group, measured: &Measured) -> anyhow::Result<()> {
    let group = match group.link_exists(measured.statement) {
        true => group.group(measured.statement)?,
        false => group.create_group(measured.statement)?,
    };
    let setting = measured.setting;
    let name = format!("{}-d{}-k{}", setting.activation.name(), setting.dim, setting.width);
    let shape = (measured.rows.len(), measured.columns.len());
    let rows = Array2::from_shape_vec(shape, measured.rows.concat())?;
    let dataset = group.new_dataset_builder().obj_track_times(false).with_data(&rows).create(name.as_str())?;
    set_text(&dataset, "columns", &measured.columns.join("\t"))?;
    set_number(&dataset, "dim", setting.dim as u64)?;
    set_number(&dataset, "width", setting.width as u64)?;
    set_text(&dataset, "activation", setting.activation.name())
}

fn strings(group: &Group, name: &str, values: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let values: Vec<VarLenUnicode> = values.map(|text| text.replace('\0', " ").parse()).collect::<Result<_, _>>()?;
    numbers(group, name, values.into_iter())
}

fn numbers<T: H5Type>(group: &Group, name: &str, values: impl Iterator<Item = T>) -> anyhow::Result<()> {
    let values: Vec<T> = values.collect();
    group.new_dataset_builder().obj_track_times(false).with_data(&values).create(name)?;
    Ok(())
}
