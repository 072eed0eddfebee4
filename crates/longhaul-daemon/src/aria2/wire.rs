//! How is aria2's RPC said? JSON-RPC 2.0 as aria2 1.36.0 reads and writes it: the texts, codes and statuses here are
//! those that it answered with (`tests/aria2/wire.json`).

use serde_json::Value;

/// Why a call was not carried out, in aria2's words where it has some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: i32,
    pub(crate) message: String,
}

/// The code of all that goes wrong within a method.
const FAILED: i32 = 1;
const INVALID_REQUEST: i32 = -32600;
const INVALID_PARAMS: i32 = -32602;
const PARSE_ERROR: i32 = -32700;

impl Fault {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into() }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new("Unauthorized")
    }

    pub(crate) fn invalid_request() -> Self {
        Self { code: INVALID_REQUEST, message: "Invalid Request.".to_owned() }
    }

    fn invalid_params() -> Self {
        Self { code: INVALID_PARAMS, message: "Invalid params.".to_owned() }
    }

    fn parse_error() -> Self {
        Self { code: PARSE_ERROR, message: "Parse error.".to_owned() }
    }

    /// As an element of the answer to `system.multicall`.
    pub(crate) fn value(&self) -> Value {
        serde_json::json!({ "code": self.code, "message": self.message })
    }
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: Value,
    pub(crate) method: String,
    pub(crate) params: Vec<Value>,
}

/// A call, or the answer to what is none.
pub(crate) type Read = Result<Call, Answer>;

/// What came in one request.
#[derive(Debug, PartialEq)]
pub(crate) enum Asked {
    One(Read),
    /// What is no object in a batch gets no answer.
    Batch(Vec<Read>),
}

/// The answer to one call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) id: Value,
    pub(crate) result: Result<Value, Fault>,
}

impl Answer {
    fn fault(id: Value, fault: Fault) -> Self {
        Self { id, result: Err(fault) }
    }

    /// The status over HTTP, where one call was asked.
    pub(crate) fn status(&self) -> u16 {
        match &self.result {
            Ok(_) => 200,
            Err(fault) if matches!(fault.code, FAILED | INVALID_REQUEST) => 400,
            Err(_) => 500,
        }
    }

    /// In the order in which aria2 writes the members.
    pub(crate) fn text(&self) -> String {
        match &self.result {
            Ok(result) => format!(r#"{{"id":{},"jsonrpc":"2.0","result":{result}}}"#, self.id),
            Err(Fault { code, message }) => {
                let message = Value::from(message.as_str());
                format!(r#"{{"id":{},"jsonrpc":"2.0","error":{{"code":{code},"message":{message}}}}}"#, self.id)
            }
        }
    }
}

/// The answers to a batch.
pub(crate) fn batch_text(answers: &[Answer]) -> String {
    let texts: Vec<String> = answers.iter().map(Answer::text).collect();
    format!("[{}]", texts.join(","))
}

/// What a client is told unasked.
pub(crate) fn notification(method: &str, gid: longhaul::manager::Gid) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"aria2.{method}","params":[{{"gid":"{gid}"}}]}}"#)
}

/// Reads a request. `jsonrpc` is not looked at: clients leave it out, and send the number 2.0.
pub(crate) fn read(body: &[u8]) -> Asked {
    match serde_json::from_slice(body) {
        Ok(Value::Array(calls)) => Asked::Batch(calls.into_iter().filter(Value::is_object).map(read_call).collect()),
        Ok(call @ Value::Object(_)) => Asked::One(read_call(call)),
        Ok(Value::String(_) | Value::Null) => Asked::One(Err(Answer::fault(Value::Null, Fault::invalid_request()))),
        Ok(_) | Err(_) => Asked::One(Err(Answer::fault(Value::Null, Fault::parse_error()))),
    }
}

fn read_call(mut call: Value) -> Read {
    let Some(id) = call.get_mut("id").map(Value::take) else {
        return Err(Answer::fault(Value::Null, Fault::invalid_request()));
    };
    let Some(Value::String(method)) = call.get_mut("method").map(Value::take) else {
        return Err(Answer::fault(id, Fault::invalid_request()));
    };
    match call.get_mut("params").map(Value::take) {
        None => Ok(Call { id, method, params: Vec::new() }),
        Some(Value::Array(params)) => Ok(Call { id, method, params }),
        Some(_) => Err(Answer::fault(id, Fault::invalid_params())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What aria2 answered to the same bytes; calls themselves stand for "read as a call".
    #[test]
    fn what_is_no_call_is_answered_as_aria2_does() {
        let recorded: Value = serde_json::from_str(include_str!("../../tests/aria2/wire.json")).unwrap();
        let cases = recorded["envelopes"].as_array().unwrap();
        assert!(cases.len() >= 12, "{}", cases.len());
        for case in cases {
            let (body, status) = (case["body"].as_str().unwrap(), case["status"].as_u64().unwrap());
            let answer = match read(body.as_bytes()) {
                Asked::One(Err(answer)) => (u64::from(answer.status()), answer.text()),
                Asked::Batch(reads) if reads.is_empty() => (200, batch_text(&[])),
                asked => panic!("{body}: {asked:?}"),
            };
            assert_eq!(answer, (status, case["answer"].as_str().unwrap().to_owned()), "{body}");
        }
    }

    #[test]
    fn a_call_is_read_however_clients_write_it() {
        for body in [
            r#"{"jsonrpc":"2.0","id":"q","method":"m","params":[1]}"#,
            r#"{"json-rpc":"2.0","id":"q","method":"m","params":[1]}"#,
            r#"{"jsonrpc":2.0,"id":"q","method":"m","params":[1]}"#,
            r#"{"id":"q","method":"m","params":[1]}"#,
        ] {
            let call = Call { id: "q".into(), method: "m".to_owned(), params: vec![1.into()] };
            assert_eq!(read(body.as_bytes()), Asked::One(Ok(call)), "{body}");
        }
        let Asked::Batch(calls) = read(br#"[{"id":0,"method":"a"},5,{"id":3}]"#) else { panic!("no batch") };
        assert_eq!(calls.len(), 2);
        assert!(calls[0].is_ok() && calls[1].is_err());
    }

    #[test]
    fn members_stand_in_aria2s_order() {
        let answer = Answer { id: 1.into(), result: Ok("OK".into()) };
        assert_eq!(answer.text(), r#"{"id":1,"jsonrpc":"2.0","result":"OK"}"#);
        let answer = Answer { id: "x".into(), result: Err(Fault::new("say \"what\"")) };
        assert_eq!(answer.text(), r#"{"id":"x","jsonrpc":"2.0","error":{"code":1,"message":"say \"what\""}}"#);
        let gid = longhaul::manager::Gid(0xab);
        let told = r#"{"jsonrpc":"2.0","method":"aria2.onDownloadStart","params":[{"gid":"00000000000000ab"}]}"#;
        assert_eq!(notification("onDownloadStart", gid), told);
    }
}
