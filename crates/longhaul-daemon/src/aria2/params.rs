//! What a call brought, read as aria2 reads it: what is missing or of a wrong type is said in its words.

use serde_json::{Map, Value};

use super::wire::Fault;

/// The parameters of a call, the token taken off.
#[derive(Debug, Clone)]
pub(crate) struct Params(Vec<Value>);

impl Params {
    pub(crate) fn new(params: Vec<Value>) -> Self {
        Self(params)
    }

    /// Takes the token off: `token:X` in the first place, which is no parameter of any method.
    pub(crate) fn take_token(&mut self) -> Option<String> {
        let token = self.0.first()?.as_str()?.strip_prefix("token:")?.to_owned();
        self.0.remove(0);
        Some(token)
    }

    pub(crate) fn text(&self, at: usize) -> Result<&str, Fault> {
        self.required(at)?.as_str().ok_or_else(|| wrong_type(at))
    }

    pub(crate) fn integer(&self, at: usize) -> Result<i64, Fault> {
        self.required(at)?.as_i64().ok_or_else(|| wrong_type(at))
    }

    pub(crate) fn integer_from(&self, at: usize, least: i64) -> Result<i64, Fault> {
        let value = self.integer(at)?;
        let message = "the value must be greater than or equal to";
        let fault = || Fault::new(format!("The integer parameter at {at} has invalid value: {message} {least}."));
        (value >= least).then_some(value).ok_or_else(fault)
    }

    pub(crate) fn integer_if_given(&self, at: usize) -> Result<Option<i64>, Fault> {
        if self.0.get(at).is_some() { self.integer(at).map(Some) } else { Ok(None) }
    }

    pub(crate) fn list(&self, at: usize) -> Result<&[Value], Fault> {
        self.required(at)?.as_array().map(Vec::as_slice).ok_or_else(|| wrong_type(at))
    }

    /// The texts of a list; what else stands in it is passed over.
    pub(crate) fn texts(&self, at: usize) -> Result<Vec<&str>, Fault> {
        Ok(self.list(at)?.iter().filter_map(Value::as_str).collect())
    }

    pub(crate) fn texts_if_given(&self, at: usize) -> Result<Vec<&str>, Fault> {
        if self.0.get(at).is_some() { self.texts(at) } else { Ok(Vec::new()) }
    }

    pub(crate) fn options(&self, at: usize) -> Result<&Map<String, Value>, Fault> {
        self.required(at)?.as_object().ok_or_else(|| wrong_type(at))
    }

    pub(crate) fn options_if_given(&self, at: usize) -> Result<Map<String, Value>, Fault> {
        if self.0.get(at).is_some() { self.options(at).cloned() } else { Ok(Map::new()) }
    }

    fn required(&self, at: usize) -> Result<&Value, Fault> {
        self.0.get(at).ok_or_else(|| Fault::new(format!("The parameter at {at} is required but missing.")))
    }
}

fn wrong_type(at: usize) -> Fault {
    Fault::new(format!("The parameter at {at} has wrong type."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_no_parameter() {
        let mut params = Params::new(vec!["token:a:b".into(), "gid".into()]);
        assert_eq!(params.take_token().as_deref(), Some("a:b"));
        assert_eq!(params.text(0), Ok("gid"));
        assert_eq!(params.take_token(), None);
        assert_eq!(Params::new(Vec::new()).take_token(), None);
    }

    #[test]
    fn what_is_wrong_is_said_by_place() {
        let params = Params::new(vec![5.into(), "x".into(), vec!["a", "b"].into()]);
        let message = |fault: Fault| fault.message;
        assert_eq!(params.text(0).map_err(message), Err("The parameter at 0 has wrong type.".to_owned()));
        assert_eq!(params.text(3).map_err(message), Err("The parameter at 3 is required but missing.".to_owned()));
        let least = "The integer parameter at 0 has invalid value: the value must be greater than or equal to 6.";
        assert_eq!(params.integer_from(0, 6).map_err(message), Err(least.to_owned()));
        assert_eq!(params.texts(2), Ok(vec!["a", "b"]));
        assert!(params.options_if_given(3).unwrap().is_empty());
        assert!(params.options_if_given(1).is_err());
    }
}
