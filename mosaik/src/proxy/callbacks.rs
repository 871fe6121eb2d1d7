//! Answers to the callbacks of a simulator.

use std::collections::BTreeMap;

use aiomas::channel::Request;
use aiomas_core::rpc::{self, Parameter, Signature};
use aiomas_core::wire::RemoteError;
use serde::{Deserialize, Serialize};

use super::world::World;
use crate::{Data, EntityGraph, EntityInfo, Result};

const ENTITIES: &[Parameter] = &[Parameter::optional("entities")];
const OUTPUTS: &[Parameter] = &[Parameter::required("attrs")];
const DATA: &[Parameter] = &[Parameter::required("data")];
const TIME: &[Parameter] = &[Parameter::required("event_time")];

type Related = BTreeMap<String, EntityInfo>;

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Progress(f64),
    Related(Related),
    RelatedOfEach(BTreeMap<String, Related>),
    Graph(EntityGraph),
    Data(Data),
    Nothing(()),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entities {
    One(String),
    Many(Vec<String>),
}

/// Answers a request of the simulator.
pub(super) async fn serve(world: &mut impl World, request: Request) {
    let answer = match rpc::Request::parse(request.payload()) {
        Ok(call) => answer(world, &call).await,
        Err(error) => Err(error.into()),
    };
    // If the simulator is gone, the pending call reports it.
    let _sent = match answer {
        Ok(answer) => request.reply(&answer),
        Err(error) => request.fail(error),
    };
}

async fn answer(world: &mut impl World, request: &rpc::Request<'_>) -> Result<Answer> {
    let (function, arguments) = (request.path.as_str(), &request.arguments);
    let bind = |parameters| arguments.bind(&Signature::new(function, parameters));
    match function {
        "get_progress" => {
            bind(&[])?;
            world.get_progress().await.map(Answer::Progress)
        }
        "get_related_entities" => match bind(ENTITIES)?.required(0)? {
            None => world.get_entity_graph().await.map(Answer::Graph),
            Some(Entities::One(entity)) => {
                world.get_related_entities(&entity).await.map(Answer::Related)
            }
            Some(Entities::Many(entities)) => {
                let mut all = BTreeMap::new();
                for entity in entities {
                    let related = world.get_related_entities(&entity).await?;
                    all.insert(entity, related);
                }
                Ok(Answer::RelatedOfEach(all))
            }
        },
        "get_data" => world.get_data(bind(OUTPUTS)?.required(0)?).await.map(Answer::Data),
        "set_data" => world.set_data(bind(DATA)?.required(0)?).await.map(Answer::Nothing),
        "set_event" => world.set_event(bind(TIME)?.required(0)?).await.map(Answer::Nothing),
        other => Err(RemoteError::new(
            "AttributeError",
            format_args!("a scenario has no function \"{other}\""),
        )),
    }
}
