//! The budget for bodies kept for a next attempt.
//!
//! Why: failover needs the caller's body a second time, and bodies reach 110 MB; without one ledger
//! a few callers could fill the memory. Rule: bytes are reserved *before* they are read, by
//! Content-Length where there is one, in steps where not, and one address holds at most half.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Bodies of unknown length reserve in steps of this size: large enough that the ledger is asked
/// rarely, small enough that a small body does not tie up much.
const STEP: usize = 64 << 10;

/// The ledger, shared by all connections.
#[derive(Clone)]
pub struct Budget {
    ledger: Arc<Mutex<Ledger>>,
}

struct Ledger {
    total: usize,
    held: usize,
    /// Bounded by what is held: an address leaves when its last byte does. A tree: mostly there
    /// are few, and nobody can choose addresses that are slow to find.
    by_address: BTreeMap<IpAddr, usize>,
}

impl Budget {
    /// A budget of `total` bytes.
    pub fn new(total: usize) -> Budget {
        let ledger = Ledger { total, held: 0, by_address: BTreeMap::new() };
        Budget { ledger: Arc::new(Mutex::new(ledger)) }
    }

    /// An empty reservation for one body of `address`.
    pub fn reservation(&self, address: IpAddr) -> Reservation {
        Reservation { budget: self.clone(), address, bytes: 0 }
    }

    /// Bytes held at this moment, by everybody.
    pub fn held(&self) -> usize {
        self.ledger.lock().held
    }
}

/// Bytes set aside for one body; given back when dropped.
pub struct Reservation {
    budget: Budget,
    address: IpAddr,
    bytes: usize,
}

/// The budget, or this address's half of it, is used up.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl Reservation {
    /// Makes sure that `bytes` in all are set aside.
    pub fn reach(&mut self, bytes: usize) -> Result<(), Full> {
        if bytes <= self.bytes {
            return Ok(());
        }
        self.budget.ledger.lock().take(self.address, bytes - self.bytes)?;
        self.bytes = bytes;
        Ok(())
    }

    /// As [`Self::reach`], for a body whose length nobody told: rounds up to the next step.
    pub fn reach_in_steps(&mut self, bytes: usize) -> Result<(), Full> {
        if bytes <= self.bytes { Ok(()) } else { self.reach(bytes.next_multiple_of(STEP)) }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.ledger.lock().give_back(self.address, self.bytes);
        }
    }
}

impl Ledger {
    fn take(&mut self, address: IpAddr, bytes: usize) -> Result<(), Full> {
        let of_address = self.by_address.get(&address).copied().unwrap_or(0);
        let fits = self.held + bytes <= self.total && of_address + bytes <= self.total / 2;
        if !fits {
            return Err(Full);
        }
        self.held += bytes;
        self.by_address.insert(address, of_address + bytes);
        Ok(())
    }

    fn give_back(&mut self, address: IpAddr, bytes: usize) {
        self.held -= bytes;
        if let Some(of_address) = self.by_address.get_mut(&address) {
            *of_address -= bytes;
            if *of_address == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ALICE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const BOB: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn one_address_holds_at_most_half() {
        let budget = Budget::new(1000);
        let mut alice = budget.reservation(ALICE);

        assert_eq!(alice.reach(500), Ok(()));
        assert_eq!(alice.reach(501), Err(Full));
        assert_eq!(budget.reservation(ALICE).reach(1), Err(Full));
        assert_eq!(budget.reservation(BOB).reach(500), Ok(()));
    }

    #[test]
    fn what_is_dropped_is_free_again() {
        let budget = Budget::new(1000);
        let mut alice = budget.reservation(ALICE);
        alice.reach(400).unwrap();

        drop(alice);

        assert_eq!(budget.held(), 0);
        assert!(budget.ledger.lock().by_address.is_empty());
    }

    #[test]
    fn unknown_lengths_grow_in_steps() {
        let budget = Budget::new(4 * STEP);
        let mut alice = budget.reservation(ALICE);

        alice.reach_in_steps(1).unwrap();
        assert_eq!(budget.held(), STEP);
        alice.reach_in_steps(STEP + 1).unwrap();
        assert_eq!(budget.held(), 2 * STEP);
        assert_eq!(alice.reach_in_steps(2 * STEP + 1), Err(Full));
    }
}
