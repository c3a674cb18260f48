//! The words of the trade, each a type: ids, names, addresses, moments, reasons, denials.
//!
//! Nothing here does I/O or reads a clock. Most types can only be made by parsing, so a value that exists is valid.

pub mod host;
pub mod authority;
pub mod agreed_name;
pub mod path;
pub mod field;
pub mod address;
pub mod mac;
pub mod time;
pub mod request_id;
pub mod agent;
pub mod fail_mode;
pub mod record_type;
pub mod reason;
pub mod decision;
pub mod denial;
pub mod limits;
pub mod quota_limits;
pub mod grant;
pub mod provider;
pub mod model_call;
pub mod budget;
pub mod holds;
pub mod finding;
pub mod detectors;
pub mod sighting;
pub mod secret;
pub mod credential;
pub mod wording;

pub use address::{AddressClass, ClientAddress, OriginalDestination};
pub use agent::AgentProfile;
pub use agreed_name::{AgreedName, Scheme};
pub use authority::{Authority, AuthorityError, Host};
pub use budget::{BudgetMode, Direction, Limit, NANODOLLARS, Period, Subject, Uncounted, Unit, Window};
pub use credential::{AwsTerms, CredentialPlace, GoogleTerms, Injection, PLACEHOLDER, TokenEndpoint};
pub use decision::Decision;
pub use denial::{Denial, DenyResponse, PolicyRef, Sequel};
pub use fail_mode::FailMode;
pub use finding::{FindingAction, FindingClass, FindingClasses, FindingWays};
pub use grant::{ApprovedHost, ApprovedHostError, ApprovedTool, Cause, Grant};
pub use holds::{
    BandwidthHold, Hold, Holds, ModelTerms, RateHold, SafetyFloors, Severity, ToolPattern, ToolSieve,
};
pub use host::{HostName, HostPattern};
pub use mac::{MacAddress, MacAddressError};
pub use model_call::{Billed, InferenceAction, ModelCall};
pub use provider::Provider;
pub use reason::Reason;
pub use record_type::RecordType;
pub use request_id::RequestId;
pub use secret::{Secret, SecretKey, SecretName};
pub use sighting::{Sighting, Sightings};
pub use time::Timestamp;
