//! A contract net: a dispatcher announces parcels, vans bid, and the best bid wins.
//!
//! A bid is the distance a van would have to drive. The vans live in containers of their own, as if
//! in remote depots.
//!
//!     cargo run --example contract_net
//!
//! prints, for each parcel, all bids and the van that delivered it:
//!
//!     parcel 1: 20 kg from 3 to 9
//!       Anna bids 7 km
//!       Bert bids 11 km
//!       ...
//!       Anna has delivered it, and has driven 7 km for it
//!
//! After the second parcel a depot closes. Its vans no longer bid, and the dispatcher continues
//! with the others.

use std::time::Duration;

use aiomas_tokio::{Error, agent, container};
use serde::{Deserialize, Serialize};

/// The time limit for bids.
const DEADLINE: Duration = Duration::from_secs(30);

/// A parcel. All places are along one road, in kilometres.
#[derive(Clone, Serialize, Deserialize)]
struct Parcel {
    kilograms: u32,
    from: u32,
    to: u32,
}

struct Van {
    carries: u32,
    place: u32,
}

#[agent]
impl Van {
    /// Returns the distance to drive, in km, or `None` for too heavy parcels.
    #[expose]
    fn bid(&self, parcel: Parcel) -> Option<u32> {
        (parcel.kilograms <= self.carries).then(|| self.way(&parcel))
    }

    /// Delivers a parcel that the van has been awarded. Returns the distance driven, in km.
    #[expose]
    fn deliver(&mut self, parcel: Parcel) -> u32 {
        let driven = self.way(&parcel);
        self.place = parcel.to;
        driven
    }

    fn way(&self, parcel: &Parcel) -> u32 {
        self.place.abs_diff(parcel.from) + parcel.from.abs_diff(parcel.to)
    }
}

/// The result of a parcel.
#[derive(Serialize, Deserialize)]
struct Delivery {
    van: String,
    driven: u32,
}

#[derive(Default)]
struct Dispatcher {
    announced: u32,
    vans: Vec<(String, VanProxy)>,
}

#[agent]
impl Dispatcher {
    /// Registers a van. The van passes a reference to itself.
    #[expose]
    fn register(&mut self, name: String, van: VanProxy) {
        self.vans.push((name, van));
    }

    /// Dispatches a parcel. `&mut self` serialises the parcels, so a bid stays valid until its
    /// award.
    #[expose]
    async fn dispatch(&mut self, parcel: Parcel) -> Result<Delivery, String> {
        let Parcel { kilograms, from, to } = parcel;
        self.announced += 1;
        println!("parcel {}: {kilograms} kg from {from} to {to}", self.announced);
        // Start all calls before waiting for the first bid.
        let call = |(_, van): &(String, VanProxy)| van.with_timeout(DEADLINE).bid(parcel.clone());
        let calls: Vec<_> = self.vans.iter().map(call).collect();
        let mut bids = Vec::new();
        for ((name, van), call) in self.vans.iter().zip(calls) {
            match call.await {
                Ok(Some(bid)) => {
                    println!("  {name} bids {bid} km");
                    bids.push((bid, name, van));
                }
                Ok(None) => println!("  {name} declines"),
                Err(_) => println!("  {name} does not answer"),
            }
        }
        let best = bids.into_iter().min_by_key(|(bid, ..)| *bid);
        let (_, name, van) = best.ok_or("no van takes it")?;
        let driven =
            van.deliver(parcel).await.map_err(|error| format!("{name} cannot deliver: {error}"))?;
        Ok(Delivery { van: name.clone(), driven })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let office = container::bind("tcp://127.0.0.1:0").await?;
    let dispatcher = office.spawn(Dispatcher::default())?;

    let north = container::bind("tcp://127.0.0.1:0").await?;
    let south = container::bind("tcp://127.0.0.1:0").await?;
    for (depot, name, carries, place) in [
        (&north, "Anna", 100, 2),
        (&north, "Bert", 1000, 8),
        (&south, "Cleo", 100, 20),
        (&south, "Dora", 1000, 25),
    ] {
        let van = depot.spawn(Van { carries, place })?;
        let remote: DispatcherProxy = van.connect(dispatcher.url()).await?;
        remote.register(name.to_owned(), van.proxy()).await?;
    }

    let remote = dispatcher.proxy();
    let parcels = [(20, 3, 9), (400, 24, 8), (50, 21, 10), (2000, 1, 2)];
    for (dispatched, (kilograms, from, to)) in parcels.into_iter().enumerate() {
        if dispatched == 2 {
            println!("the depot in the south closes");
            south.shutdown().await?;
        }
        match remote.dispatch(Parcel { kilograms, from, to }).await {
            Ok(Delivery { van, driven }) => {
                println!("  {van} has delivered it, and has driven {driven} km for it");
            }
            Err(Error::Remote(error)) => println!("  {}", error.message()),
            Err(error) => return Err(error),
        }
    }

    north.shutdown().await?;
    office.shutdown().await
}
