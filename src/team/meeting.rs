//! Where the threads of a rank bring their parts together, and one of them exchanges those of the rank with other ranks.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Link;
use super::tree::{Part, Partials};

/// Polls of a waiting thread before it sleeps: about as long as sleeping and waking take.
const SPINS: usize = 2000;

/// The meeting place of the threads of one rank of a team.
pub struct Meeting {
    threads: usize,
    link: Option<Box<dyn Link>>,
    /// The parts of the threads, and their total, both of the type that the meeting is about.
    parts: Mutex<Vec<Option<Box<dyn Any + Send>>>>,
    total: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
    /// Threads at the gate, and how often it has opened.
    waiting: AtomicUsize,
    opened: AtomicUsize,
    sleepers: Mutex<()>,
    opens: Condvar,
    is_broken: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meeting {
    pub fn new(threads: usize, link: Option<Box<dyn Link>>) -> Self {
        Self {
            threads,
            link,
            parts: Mutex::new((0..threads).map(|_| None).collect()),
            total: Mutex::default(),
            waiting: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
            sleepers: Mutex::new(()),
            opens: Condvar::new(),
            is_broken: AtomicBool::new(false),
        }
    }

    /// The whole from the parts of all threads of all ranks.
    pub fn combine<P: Part + 'static>(&self, thread: usize, part: Partials<P>) -> P {
        if self.threads == 1 {
            return self.with_other_ranks(part);
        }
        lock(&self.parts)[thread] = Some(Box::new(part));
        self.wait();
        if thread == 0 {
            let taken: Vec<_> =
                lock(&self.parts).iter_mut().map(|part| part.take().expect("every thread has brought one")).collect();
            let mut taken = taken.into_iter().map(|part| *part.downcast::<Partials<P>>().expect("parts of one kind"));
            let mut ours = taken.next().expect("at least one thread");
            taken.for_each(|part| ours.append(part));
            let total: Arc<dyn Any + Send + Sync> = Arc::new(self.with_other_ranks(ours));
            *lock(&self.total) = Some(total);
        }
        // Nobody comes to the next meeting before it has read the total of this one.
        self.wait();
        let total = lock(&self.total).clone().expect("just set");
        total.downcast_ref::<P>().expect("a total of this kind").clone()
    }

    /// The whole from the parts of all ranks, up a binomial tree and down again.
    fn with_other_ranks<P: Part>(&self, mut ours: Partials<P>) -> P {
        let Some(link) = &self.link else { return ours.into_total() };
        let (rank, ranks, slabs) = (link.rank(), link.ranks(), ours.slabs());
        let is_lost = || self.is_broken.load(Ordering::Acquire);
        let mut step = 1;
        while step < ranks && rank & step == 0 {
            if rank + step < ranks {
                ours.append(Partials::from_message(slabs, &link.receive(rank + step, &is_lost)));
            }
            step *= 2;
        }
        let (total, message) = match rank {
            0 => {
                let total = ours.into_total();
                let message = total.to_numbers();
                (total, message)
            }
            _ => {
                link.send(rank - step, &ours.to_message());
                let message = link.receive(rank - step, &is_lost);
                (P::from_numbers(&message), message)
            }
        };
        while step > 1 {
            step /= 2;
            if rank + step < ranks {
                link.send(rank + step, &message);
            }
        }
        total
    }

    /// Returns once every thread has called it.
    fn wait(&self) {
        let opened = self.opened.load(Ordering::Acquire);
        if self.waiting.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.waiting.store(0, Ordering::Relaxed);
            let sleepers = lock(&self.sleepers);
            self.opened.store(opened.wrapping_add(1), Ordering::Release);
            drop(sleepers);
            return self.opens.notify_all();
        }
        let is_over = || self.opened.load(Ordering::Acquire) != opened || self.is_broken.load(Ordering::Acquire);
        for _ in 0..SPINS {
            if is_over() {
                break;
            }
            std::hint::spin_loop();
        }
        let mut sleepers = lock(&self.sleepers);
        while !is_over() {
            sleepers = self.opens.wait(sleepers).unwrap_or_else(PoisonError::into_inner);
        }
        drop(sleepers);
        assert!(!self.is_broken.load(Ordering::Acquire), "another member of the team has failed");
    }

    /// Lets no thread wait any longer: one of them has failed.
    pub fn break_up(&self) {
        let _sleepers = lock(&self.sleepers);
        self.is_broken.store(true, Ordering::Release);
        self.opens.notify_all();
    }
}
