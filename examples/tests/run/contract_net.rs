use super::run;

/// The output about one parcel.
#[derive(Default)]
struct Auction<'a> {
    bids: Vec<(u32, &'a str)>,
    declined: Vec<&'a str>,
    silent: Vec<&'a str>,
    /// The van that delivered the parcel, and its distance in km.
    delivered: Option<(&'a str, u32)>,
}

impl<'a> Auction<'a> {
    fn note(&mut self, line: &'a str) {
        let kilometres = |text: &str| text.parse().expect("a number of kilometres");
        let says = |what: &str| line.strip_suffix(what).map(str::trim_start);
        if let Some((name, bid)) = says(" km").and_then(|line| line.split_once(" bids ")) {
            self.bids.push((kilometres(bid), name));
        } else if let Some(name) = says(" declines") {
            self.declined.push(name);
        } else if let Some(name) = says(" does not answer") {
            self.silent.push(name);
        } else if let Some(line) = says(" km for it") {
            let delivery = line.split_once(" has delivered it, and has driven ");
            let (name, driven) = delivery.expect("a delivery");
            self.delivered = Some((name, kilometres(driven)));
        } else {
            assert_eq!(line, "  no van takes it");
        }
    }
}

#[test]
fn the_best_bid_is_awarded_the_parcel() {
    let lines = run("contract_net");
    let mut auctions = Vec::new();
    for line in &lines {
        if line.starts_with("parcel ") {
            auctions.push(Auction::default());
        } else if line != "the depot in the south closes" {
            auctions.last_mut().expect("a parcel").note(line);
        }
    }

    for auction in &auctions {
        let Auction { bids, declined, silent, delivered } = auction;
        assert_eq!(bids.len() + declined.len() + silent.len(), 4, "{lines:#?}");
        // Each van has driven as far as it bid.
        let best = bids.iter().min().map(|(bid, name)| (*name, *bid));
        assert_eq!(*delivered, best, "{lines:#?}");
    }
    // The winners come from both depots, and no van wins always.
    let winners: Vec<_> =
        auctions.iter().map(|auction| auction.delivered.map(|(name, _)| name)).collect();
    assert_eq!(winners, [Some("Anna"), Some("Dora"), Some("Anna"), None]);
    let silent: Vec<_> = auctions.iter().map(|auction| &auction.silent[..]).collect();
    assert_eq!(silent, [&[][..], &[], &["Cleo", "Dora"], &["Cleo", "Dora"]]);
}
