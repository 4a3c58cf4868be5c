//! `measure`: smallest steps of a given network at given inputs, as a job.

use std::path::PathBuf;

use super::plot::{self, PlotRequest};
use crate::files::check_output_dir;
use crate::given::job::Job;
use crate::given::options::Choice;
use crate::interchange::Limit;
use crate::interchange::inputs::{self, LabelSource, Source};
use crate::interchange::network::{self, Slopes};
use crate::job::{self, Settings};
use crate::model::{Activation, SearchChoice};
use crate::plot::ImageFormat;

/// A network and inputs to measure, not yet read.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureRequest {
    pub network: PathBuf,
    /// For formats that do not say.
    pub activation: Option<Activation>,
    /// For a `state_dict` with leaky ReLU.
    pub slopes: Option<Slopes>,
    pub inputs: Source,
    pub labels: LabelSource,
    /// Whether inputs are scaled to norm √d.
    pub rescale: bool,
    pub search: SearchChoice,
    pub choice: Choice,
    /// Directory of the figures, if any.
    pub figures: Option<PathBuf>,
    pub formats: Vec<ImageFormat>,
    pub settings: Settings,
}

/// Runs a measurement on all ranks of this launch.
pub fn execute(request: impl FnOnce() -> anyhow::Result<MeasureRequest>) -> anyhow::Result<()> {
    let mut figures = None;
    let split = || {
        let request = request()?;
        if let Some(out) = &request.figures {
            check_output_dir(out, "--figures")?;
            let beside = PlotRequest::beside(&request.settings.out, request.formats.clone(), true);
            figures = Some(PlotRequest { out: out.clone(), ..beside });
        }
        Ok((request.settings.clone(), request))
    };
    let is_root = job::run(split, |request, ranks| {
        let limit = Limit::of_memory(ranks.own.memory);
        let network = network::read(&request.network, request.activation, request.slopes.as_ref(), limit)?;
        let inputs = inputs::read(&request.inputs, &request.labels, request.rescale, limit)?;
        let name = request.network.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let names = [name, request.inputs.name()];
        Ok(Job::new(&network, inputs, names, request.rescale, request.search, &request.choice, ranks.own)?)
    })?;
    match figures.filter(|_| is_root) {
        Some(request) => plot::execute(&request),
        None => Ok(()),
    }
}
