//! How many connections there may be, together and from one place.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use parking_lot::Mutex;

/// The count of open connections.
#[derive(Clone)]
pub(super) struct Caps {
    rules: Arc<Rules>,
    counts: Arc<Mutex<Counts>>,
}

struct Rules {
    total: usize,
    per_address: usize,
    exempt: Vec<IpNet>,
}

#[derive(Default)]
struct Counts {
    total: usize,
    /// Bounded by `total`: an entry leaves with its last connection.
    by_place: HashMap<IpAddr, usize>,
}

/// A connection that was let in; gives its place back when dropped.
pub(super) struct Ticket {
    counts: Arc<Mutex<Counts>>,
    place: Option<IpAddr>,
}

impl Caps {
    pub(super) fn new(total: usize, per_address: usize, exempt: Vec<IpNet>) -> Caps {
        let rules = Rules { total, per_address, exempt };
        Caps { rules: Arc::new(rules), counts: Arc::default() }
    }

    /// A ticket for a connection from `address`, unless there are too many.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Ticket> {
        let address = address.to_canonical();
        let exempt = self.rules.exempt.iter().any(|net| net.contains(&address));
        let place = (!exempt).then(|| place(address));
        let mut counts = self.counts.lock();
        if counts.total >= self.rules.total {
            return None;
        }
        if let Some(place) = place {
            let here = counts.by_place.entry(place).or_default();
            if *here >= self.rules.per_address {
                return None;
            }
            *here += 1;
        }
        counts.total += 1;
        Some(Ticket { counts: self.counts.clone(), place })
    }
}

/// One household: an IPv4 address, or the /64 that one IPv6 customer gets.
fn place(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        counts.total -= 1;
        if let Some(place) = self.place
            && let Some(here) = counts.by_place.get_mut(&place)
        {
            *here -= 1;
            if *here == 0 {
                counts.by_place.remove(&place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_place_is_capped_and_others_are_not_harmed() {
        let caps = Caps::new(10, 1, vec![]);
        let held = caps.admit(ip("2001:db8::1"));

        assert!(held.is_some());
        assert!(caps.admit(ip("2001:db8::2")).is_none(), "the same /64");
        assert!(caps.admit(ip("2001:db8:0:1::1")).is_some());
        assert!(caps.admit(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn the_total_holds_for_exempt_peers_too() {
        let caps = Caps::new(2, 1, vec!["192.0.2.0/24".parse().unwrap()]);
        let held = [caps.admit(ip("192.0.2.1")), caps.admit(ip("::ffff:192.0.2.1"))];

        assert!(held.iter().all(Option::is_some));
        assert!(caps.admit(ip("192.0.2.1")).is_none());
    }

    #[test]
    fn a_place_is_free_again_once_left() {
        let caps = Caps::new(10, 1, vec![]);

        drop(caps.admit(ip("192.0.2.1")));

        assert!(caps.admit(ip("192.0.2.1")).is_some());
        assert_eq!(caps.counts.lock().total, 0);
        assert!(caps.counts.lock().by_place.is_empty());
    }
}
