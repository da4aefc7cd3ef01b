//! The program, serving, and tokens for those who speak to it.
use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::Child,
    thread::{self, JoinHandle},
};

use serde_json::Value;

use super::wire::{Answer, Request};
use crate::cli::Place;

pub(crate) struct Server {
    pub(crate) place: Place,
    child: Child,
    errors: Option<JoinHandle<String>>,
    pub(crate) agents: SocketAddr,
    pub(crate) people: SocketAddr,
    /// Of an agent with the usual roles.
    pub(crate) agent: String,
    /// Of a person with the usual roles, for the administration.
    pub(crate) person: String,
}

impl Server {
    /// With these components, and without secrets.
    pub(crate) fn with(components: &[&str]) -> Self {
        Self::at(Place::without_secrets(components), "")
    }

    /// In this folder; `more` stands at the end of `[listen]`.
    pub(crate) fn at(place: Place, more: &str) -> Self {
        Self::administered(place, "", more)
    }

    /// The same; `people` stands at the end of `[administration]`.
    pub(crate) fn administered(place: Place, people: &str, more: &str) -> Self {
        let configuration = place.read("toolward.toml");
        let listening = format!(
            "\n[administration]\naddress = \"127.0.0.1:0\"\n{people}\n[listen]\naddress = \"127.0.0.1:0\"\n{more}\n"
        );
        place.write("toolward.toml", &(configuration + &listening));
        // The key is there before the host reads it.
        let agent = mint(&place, "--id agent-7 --role assistant --role triage");
        let person =
            mint(&place, "--id ben --kind user --role payer --role administrator --administration");
        let mut child = place.start("serve --json -v");
        let mut stream = child.stderr.take().unwrap();
        let errors = thread::spawn(move || {
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap_or_default();
        let Some(agents) = told["listen"].as_str() else {
            panic!("it does not serve: {line}{}", errors.join().unwrap())
        };
        let (agents, people) =
            (agents.parse().unwrap(), told["administration"].as_str().unwrap().parse().unwrap());
        Self { place, child, errors: Some(errors), agents, people, agent, person }
    }

    pub(crate) fn mint(&self, words: &str) -> String {
        mint(&self.place, words)
    }

    pub(crate) fn ask(&self, request: Request) -> Answer {
        request.token(&self.agent).send(self.agents)
    }

    pub(crate) fn administer(&self, request: Request) -> Answer {
        request.token(&self.person).send(self.people)
    }

    /// Says that it is time to end, as a service manager does.
    pub(crate) fn interrupt(&self) {
        Place::interrupt(&self.child);
    }

    /// Waits for the end, and returns the log.
    pub(crate) fn ended(mut self) -> String {
        let status = self.child.wait().unwrap();
        let log = self.errors.take().unwrap().join().unwrap();
        assert!(status.success(), "{log}");
        log
    }

    /// Ends it, and returns the log.
    pub(crate) fn end(self) -> String {
        self.interrupt();
        self.ended()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

fn mint(place: &Place, words: &str) -> String {
    place.run(&format!("token mint {words}")).exits(0).out.trim().to_owned()
}
