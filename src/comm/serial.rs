//! The communicator of a single process, without MPI.

use std::time::Duration;

use super::{Comm, leave};
use crate::error::Failed;
use crate::team::Link;

/// A job of one rank.
#[derive(Debug, Clone, Copy)]
pub struct Serial;

impl Comm for Serial {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn ranks_on_node(&self) -> usize {
        1
    }

    fn send_to_root(&self, _message: &[u8]) -> anyhow::Result<()> {
        Err(Failed::bug("the root has sent a message to itself", "only other ranks send").into())
    }

    fn hand_over(&self, _message: Vec<u8>, _patience: Duration) {}

    fn try_receive(&self) -> Option<(usize, Vec<u8>)> {
        None
    }

    fn call_end(&self) {}

    fn end_is_called(&self) -> bool {
        true
    }

    fn start_round(&self) {}

    fn lowest(&self, value: u64) -> u64 {
        value
    }

    fn gather(&self, value: u64) -> Vec<u64> {
        vec![value]
    }

    fn broadcast(&self, message: Vec<u8>) -> Vec<u8> {
        message
    }

    fn has_links(&self) -> bool {
        false
    }

    fn link(&self, _ranks: usize) -> Option<Box<dyn Link>> {
        None
    }

    fn barrier(&self) {}

    fn leave(&self, code: i32) -> ! {
        leave(code)
    }

    fn abort(&self, code: i32) -> ! {
        leave(code)
    }
}
