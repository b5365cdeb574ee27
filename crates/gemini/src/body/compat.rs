//! The allow-lists of the OpenAI-compatible routes: what OpenAI's clients send for a plain call,
//! and Google's additions to it (`extra_body.google`, `extra_content.google`).

use super::fields::{Fields, Metered, Rule};
use super::native::{IMAGE, SAFETY, THINKING};
use Rule::{
    Data, Free, Link, Modality, Model, Object, OneOf, Plain, Price, Role, Signature, State, Store,
    Stream, Text, Turns, Words,
};

pub(super) static CHAT: Fields = Fields(&[
    ("model", Model),
    ("messages", Turns(&MESSAGE)),
    ("stream", Stream),
    ("stream_options", Object(&STREAM_OPTIONS)),
    ("temperature", Plain),
    ("top_p", Plain),
    ("top_k", Plain),
    ("n", Plain),
    ("max_tokens", Plain),
    ("max_completion_tokens", Plain),
    ("stop", Plain),
    ("seed", Plain),
    ("presence_penalty", Plain),
    ("frequency_penalty", Plain),
    ("logit_bias", Free),
    ("logprobs", Plain),
    ("top_logprobs", Plain),
    ("reasoning_effort", Plain),
    ("verbosity", Plain),
    ("response_format", Object(&RESPONSE_FORMAT)),
    ("tools", Object(&TOOL)),
    ("tool_choice", Object(&TOOL_CHOICE)),
    ("parallel_tool_calls", Plain),
    ("functions", Object(&FUNCTION)),
    ("function_call", Object(&NAME)),
    ("prediction", Object(&PREDICTION)),
    ("modalities", Modality),
    ("audio", Rule::Metered(Metered::SPEECH_OUT, &AUDIO)),
    ("user", Plain),
    ("safety_identifier", Plain),
    ("prompt_cache_key", Plain),
    ("metadata", Free),
    ("store", Store),
    ("service_tier", Price),
    ("extra_body", Object(&EXTRA_BODY)),
    ("google", Object(&GOOGLE)),
]);

pub(super) static EMBEDDINGS: Fields = Fields(&[
    ("model", Model),
    ("input", Text),
    ("dimensions", Plain),
    ("encoding_format", Plain),
    ("user", Plain),
    ("extra_body", Object(&EXTRA_BODY)),
    ("google", Object(&GOOGLE)),
]);

pub(super) static IMAGES: Fields = Fields(&[
    ("model", Model),
    ("prompt", Text),
    ("n", Plain),
    ("size", Plain),
    ("quality", Plain),
    ("style", Plain),
    ("background", Plain),
    ("moderation", Plain),
    ("output_compression", Plain),
    ("output_format", Plain),
    ("partial_images", Plain),
    ("response_format", Plain),
    ("stream", Stream),
    ("user", Plain),
    ("extra_body", Object(&EXTRA_BODY)),
    ("google", Object(&GOOGLE)),
]);

static MESSAGE: Fields = Fields(&[
    ("role", Role),
    ("content", Words(&PART)),
    ("name", Plain),
    ("refusal", Text),
    ("reasoning_content", Text),
    ("tool_calls", Object(&TOOL_CALL)),
    ("tool_call_id", Plain),
    ("function_call", Object(&CALL)),
    ("annotations", Free),
    ("audio", State),
    ("extra_content", Object(&EXTRA_CONTENT)),
]);

static PART: Fields = Fields(&[
    ("type", Plain),
    ("text", Text),
    ("refusal", Text),
    ("image_url", Link(&IMAGE_URL)),
    ("input_audio", Object(&INPUT_AUDIO)),
    ("file", Object(&FILE)),
    ("extra_content", Object(&EXTRA_CONTENT)),
]);

static IMAGE_URL: Fields = Fields(&[("url", Link(&NO_FIELDS)), ("detail", Plain)]);
static INPUT_AUDIO: Fields = Fields(&[("data", Data), ("format", Plain)]);
static FILE: Fields = Fields(&[("file_data", Data), ("filename", Plain), ("file_id", State)]);
static NO_FIELDS: Fields = Fields(&[]);

static TOOL_CALL: Fields = Fields(&[
    ("id", Plain),
    ("type", Plain),
    ("index", Plain),
    ("function", Object(&CALL)),
    ("extra_content", Object(&EXTRA_CONTENT)),
]);

static CALL: Fields = Fields(&[("name", Plain), ("arguments", Text)]);

static TOOL: Fields = Fields(&[("type", OneOf(&["function"])), ("function", Object(&FUNCTION))]);

static FUNCTION: Fields =
    Fields(&[("name", Plain), ("description", Text), ("parameters", Free), ("strict", Plain)]);

static TOOL_CHOICE: Fields = Fields(&[
    ("type", OneOf(&["function", "allowed_tools"])),
    ("function", Object(&NAME)),
    ("allowed_tools", Object(&ALLOWED_TOOLS)),
]);

static ALLOWED_TOOLS: Fields = Fields(&[("mode", Plain), ("tools", Object(&TOOL))]);
static NAME: Fields = Fields(&[("name", Plain)]);
static RESPONSE_FORMAT: Fields = Fields(&[("type", Plain), ("json_schema", Free)]);
static STREAM_OPTIONS: Fields = Fields(&[("include_usage", Plain), ("include_obfuscation", Plain)]);
static PREDICTION: Fields = Fields(&[("type", Plain), ("content", Words(&PART))]);
static AUDIO: Fields = Fields(&[("format", Plain), ("voice", Plain)]);

static EXTRA_BODY: Fields = Fields(&[("google", Object(&GOOGLE))]);

static GOOGLE: Fields = Fields(&[
    ("thinkingConfig", Object(&THINKING)),
    ("thoughtTagMarker", Plain),
    ("safetySettings", Object(&SAFETY)),
    ("responseModalities", Modality),
    ("imageConfig", Rule::Metered(Metered::IMAGE_OUT, &IMAGE)),
    ("cachedContent", State),
]);

static EXTRA_CONTENT: Fields = Fields(&[("google", Object(&GOOGLE_CONTENT))]);
static GOOGLE_CONTENT: Fields = Fields(&[("thoughtSignature", Signature), ("thought", Plain)]);
