//! The allow-lists of Google's own methods. What is not named here makes a call *own*; what is
//! named as state or price does too, so that the reason can be told.
//!
//! `urlContext` is plain: what it fetches is billed as words of the prompt, like any other words.
//! `mcpServers`, custom voices and replicated voices are left out on purpose: they carry foreign
//! credentials or point at a project.

use super::fields::{Fields, Metered, Rule};
use Rule::{
    Data, Free, Modality, Model, Object, Plain, Price, Response, Role, Signature, State, Store,
    Text, Turns, Uri,
};

pub(super) static NOTHING: Fields = Fields(&[]);

pub(super) static GENERATE: Fields = Fields(&[
    ("contents", Turns(&CONTENT)),
    ("systemInstruction", Object(&CONTENT)),
    ("generationConfig", Object(&GENERATION)),
    ("tools", Object(&TOOL)),
    ("toolConfig", Object(&TOOL_CONFIG)),
    ("safetySettings", Object(&SAFETY)),
    ("model", Model),
    ("labels", Free),
    ("store", Store),
    ("cachedContent", State),
    ("serviceTier", Price),
    ("continuationToken", State),
    ("webhookConfig", State),
    ("generationOutputConfig", State),
    ("modelArmorConfig", State),
]);

/// A request wrapped for counting, or the contents alone.
pub(super) static COUNT: Fields = Fields(&[
    ("contents", Turns(&CONTENT)),
    ("generateContentRequest", Object(&GENERATE)),
    ("model", Model),
    // Refused by the Gemini API today, known from its sibling; plain in any case.
    ("systemInstruction", Object(&CONTENT)),
    ("tools", Object(&TOOL)),
    ("generationConfig", Object(&GENERATION)),
]);

/// `embedContent` and `batchEmbedContents`: Google itself refuses a mixture.
pub(super) static EMBED: Fields = Fields(&[
    ("requests", Object(&EMBED)),
    ("model", Model),
    ("content", Turns(&CONTENT)),
    ("taskType", Plain),
    ("title", Text),
    ("outputDimensionality", Plain),
    ("autoTruncate", Plain),
]);

pub(super) static ANSWER: Fields = Fields(&[
    ("contents", Turns(&CONTENT)),
    ("inlinePassages", Object(&PASSAGES)),
    ("semanticRetriever", State),
    ("answerStyle", Plain),
    ("safetySettings", Object(&SAFETY)),
    ("temperature", Plain),
    ("model", Model),
]);

static PASSAGES: Fields = Fields(&[("passages", Object(&PASSAGE))]);
static PASSAGE: Fields = Fields(&[("id", Plain), ("content", Object(&CONTENT))]);

pub(super) static PREDICT: Fields = Fields(&[
    ("instances", Turns(&INSTANCE)),
    ("parameters", Object(&PARAMETERS)),
    ("model", Model),
    ("labels", Free),
]);

static INSTANCE: Fields = Fields(&[("prompt", Text)]);

static PARAMETERS: Fields = Fields(&[
    ("sampleCount", Plain),
    ("aspectRatio", Plain),
    ("negativePrompt", Text),
    ("guidanceScale", Plain),
    ("seed", Plain),
    ("safetySetting", Plain),
    ("personGeneration", Plain),
    ("includeSafetyAttributes", Plain),
    ("includeRaiReason", Plain),
    ("language", Plain),
    ("outputOptions", Object(&OUTPUT_OPTIONS)),
    ("sampleImageSize", Plain),
    ("imageSize", Plain),
    ("addWatermark", Plain),
    ("enhancePrompt", Plain),
    ("storageUri", State),
]);

static OUTPUT_OPTIONS: Fields = Fields(&[("mimeType", Plain), ("compressionQuality", Plain)]);

pub(super) static CONTENT: Fields = Fields(&[("parts", Object(&PART)), ("role", Role)]);

static PART: Fields = Fields(&[
    ("text", Text),
    ("inlineData", Object(&BLOB)),
    ("fileData", Object(&FILE)),
    ("functionCall", Object(&FUNCTION_CALL)),
    ("functionResponse", Response(&FUNCTION_RESPONSE)),
    ("thought", Plain),
    ("thoughtSignature", Signature),
    ("executableCode", Object(&EXECUTABLE_CODE)),
    ("codeExecutionResult", Object(&CODE_RESULT)),
    ("videoMetadata", Object(&VIDEO_METADATA)),
    ("mediaResolution", Object(&MEDIA_RESOLUTION)),
    ("toolCall", Object(&TOOL_CALL)),
    ("toolResponse", Object(&TOOL_RESPONSE)),
    ("partMetadata", Free),
    ("audioTranscription", Object(&TRANSCRIPTION)),
    ("mediaProcessing", Plain),
    ("speechMetadata", Object(&SPEECH_METADATA)),
]);

static BLOB: Fields = Fields(&[("mimeType", Plain), ("data", Data), ("displayName", Plain)]);
static FILE: Fields = Fields(&[("mimeType", Plain), ("fileUri", Uri), ("displayName", Plain)]);

static FUNCTION_CALL: Fields = Fields(&[("id", Plain), ("name", Plain), ("args", Free)]);

static FUNCTION_RESPONSE: Fields = Fields(&[
    ("id", Plain),
    ("name", Plain),
    ("response", Free),
    ("parts", Object(&RESPONSE_PART)),
    ("willContinue", Plain),
    ("scheduling", Plain),
]);

static RESPONSE_PART: Fields = Fields(&[
    ("inlineData", Object(&BLOB)),
    ("fileData", Object(&FILE)),
    ("mediaProcessing", Plain),
]);

static EXECUTABLE_CODE: Fields = Fields(&[("id", Plain), ("language", Plain), ("code", Text)]);
static CODE_RESULT: Fields = Fields(&[("id", Plain), ("outcome", Plain), ("output", Text)]);
static TOOL_CALL: Fields = Fields(&[("id", Plain), ("toolType", Plain), ("args", Free)]);
static TOOL_RESPONSE: Fields = Fields(&[("id", Plain), ("toolType", Plain), ("response", Free)]);
static VIDEO_METADATA: Fields =
    Fields(&[("startOffset", Plain), ("endOffset", Plain), ("fps", Plain)]);
static MEDIA_RESOLUTION: Fields = Fields(&[("level", Plain), ("numTokens", Plain)]);
static SPEECH_METADATA: Fields = Fields(&[("speaker", Plain), ("style", Plain)]);

static TRANSCRIPTION: Fields = Fields(&[
    ("text", Text),
    ("finished", Plain),
    ("languageCode", Plain),
    ("speakerLabel", Plain),
    ("words", Object(&WORD)),
]);

static WORD: Fields = Fields(&[("word", Text), ("startOffset", Plain), ("endOffset", Plain)]);

static GENERATION: Fields = Fields(&[
    ("candidateCount", Plain),
    ("stopSequences", Plain),
    ("maxOutputTokens", Plain),
    ("temperature", Plain),
    ("topP", Plain),
    ("topK", Plain),
    ("seed", Plain),
    ("responseMimeType", Plain),
    ("responseSchema", Free),
    ("responseJsonSchema", Free),
    ("responseJsonSchemaOrdered", Free),
    // Google lists it under this name as well.
    ("_responseJsonSchema", Free),
    ("responseFormat", Object(&RESPONSE_FORMAT)),
    ("presencePenalty", Plain),
    ("frequencyPenalty", Plain),
    ("responseLogprobs", Plain),
    ("logprobs", Plain),
    ("enableEnhancedCivicAnswers", Plain),
    ("responseModalities", Modality),
    ("speechConfig", Rule::Metered(Metered::SPEECH_OUT, &SPEECH)),
    ("thinkingConfig", Object(&THINKING)),
    ("imageConfig", Rule::Metered(Metered::IMAGE_OUT, &IMAGE)),
    ("mediaResolution", Plain),
    ("audioTimestamp", Plain),
    ("audioTranscriptionConfig", Object(&AUDIO_TRANSCRIPTION)),
    ("enableAffectiveDialog", Plain),
    ("translationConfig", Rule::Metered(Metered::SPEECH_OUT, &TRANSLATION)),
]);

/// Without `delivery`, which can ask for a file in the project instead of bytes.
static RESPONSE_FORMAT: Fields = Fields(&[
    ("text", Object(&TEXT_FORMAT)),
    ("image", Rule::Metered(Metered::IMAGE_OUT, &IMAGE_FORMAT)),
    ("audio", Rule::Metered(Metered::SPEECH_OUT, &AUDIO_FORMAT)),
]);

static TEXT_FORMAT: Fields = Fields(&[("mimeType", Plain), ("jsonSchema", Free), ("schema", Free)]);
static IMAGE_FORMAT: Fields =
    Fields(&[("mimeType", Plain), ("aspectRatio", Plain), ("imageSize", Plain)]);
static AUDIO_FORMAT: Fields =
    Fields(&[("mimeType", Plain), ("bitRate", Plain), ("sampleRate", Plain)]);

pub(super) static THINKING: Fields =
    Fields(&[("includeThoughts", Plain), ("thinkingBudget", Plain), ("thinkingLevel", Plain)]);

pub(super) static IMAGE: Fields = Fields(&[
    ("aspectRatio", Plain),
    ("imageSize", Plain),
    ("personGeneration", Plain),
    ("prominentPeople", Plain),
    ("imageOutputOptions", Object(&OUTPUT_OPTIONS)),
]);

static SPEECH: Fields = Fields(&[
    ("voiceConfig", Object(&VOICE)),
    ("multiSpeakerVoiceConfig", Object(&SPEAKERS)),
    ("languageCode", Plain),
]);

static SPEAKERS: Fields = Fields(&[("speakerVoiceConfigs", Object(&SPEAKER))]);
static SPEAKER: Fields = Fields(&[("speaker", Plain), ("voiceConfig", Object(&VOICE))]);
static VOICE: Fields = Fields(&[("prebuiltVoiceConfig", Object(&PREBUILT))]);
static PREBUILT: Fields = Fields(&[("voiceName", Plain)]);
static TRANSLATION: Fields =
    Fields(&[("echoTargetLanguage", Plain), ("targetLanguageCode", Plain)]);

static AUDIO_TRANSCRIPTION: Fields = Fields(&[
    ("languageCodes", Plain),
    ("languageAuto", Object(&NOTHING)),
    ("languageHints", Object(&LANGUAGE_HINTS)),
    ("customVocabulary", Text),
    ("adaptationPhrases", Text),
    ("wordTimestamp", Plain),
    ("diarization", Plain),
    ("mode", Plain),
]);

static LANGUAGE_HINTS: Fields = Fields(&[("languageCodes", Plain)]);

static TOOL: Fields = Fields(&[
    ("functionDeclarations", Object(&FUNCTION)),
    ("googleSearch", Rule::Metered(Metered::SEARCH, &SEARCH)),
    ("googleSearchRetrieval", Rule::Metered(Metered::SEARCH, &SEARCH_RETRIEVAL)),
    ("googleMaps", Rule::Metered(Metered::MAPS, &MAPS)),
    ("codeExecution", Rule::Metered(Metered::CODE, &NOTHING)),
    ("computerUse", Rule::Metered(Metered::COMPUTER, &COMPUTER)),
    ("urlContext", Object(&NOTHING)),
    ("fileSearch", State),
    ("retrieval", State),
]);

static FUNCTION: Fields = Fields(&[
    ("name", Plain),
    ("description", Text),
    ("parameters", Free),
    ("parametersJsonSchema", Free),
    ("response", Free),
    ("responseJsonSchema", Free),
    ("behavior", Plain),
]);

static SEARCH: Fields =
    Fields(&[("searchTypes", Object(&SEARCH_TYPES)), ("timeRangeFilter", Object(&INTERVAL))]);
static SEARCH_TYPES: Fields =
    Fields(&[("webSearch", Object(&NOTHING)), ("imageSearch", Object(&NOTHING))]);
static INTERVAL: Fields = Fields(&[("startTime", Plain), ("endTime", Plain)]);
static SEARCH_RETRIEVAL: Fields = Fields(&[("dynamicRetrievalConfig", Object(&DYNAMIC))]);
static DYNAMIC: Fields = Fields(&[("mode", Plain), ("dynamicThreshold", Plain)]);
static MAPS: Fields = Fields(&[("enableWidget", Plain)]);

static COMPUTER: Fields = Fields(&[
    ("environment", Plain),
    ("excludedPredefinedFunctions", Plain),
    ("enablePromptInjectionDetection", Plain),
    ("disabledSafetyPolicies", Plain),
]);

static TOOL_CONFIG: Fields = Fields(&[
    ("functionCallingConfig", Object(&CALLING)),
    ("retrievalConfig", Object(&RETRIEVAL)),
    ("includeServerSideToolInvocations", Plain),
]);

static CALLING: Fields = Fields(&[
    ("mode", Plain),
    ("allowedFunctionNames", Plain),
    ("streamFunctionCallArguments", Plain),
]);

static RETRIEVAL: Fields = Fields(&[("latLng", Object(&PLACE)), ("languageCode", Plain)]);
static PLACE: Fields = Fields(&[("latitude", Plain), ("longitude", Plain)]);

pub(super) static SAFETY: Fields =
    Fields(&[("category", Plain), ("threshold", Plain), ("method", Plain)]);

/// A frame that a caller sends on a Live socket.
pub(super) static LIVE: Fields = Fields(&[
    ("setup", Object(&SETUP)),
    ("clientContent", Object(&CLIENT_CONTENT)),
    ("realtimeInput", Object(&REALTIME)),
    ("toolResponse", Object(&LIVE_RESPONSE)),
    ("contextUpdate", Object(&CONTEXT_UPDATE)),
]);

static SETUP: Fields = Fields(&[
    ("model", Model),
    ("generationConfig", Object(&GENERATION)),
    ("systemInstruction", Object(&CONTENT)),
    ("tools", Object(&TOOL)),
    ("safetySettings", Object(&SAFETY)),
    ("labels", Free),
    ("realtimeInputConfig", Object(&REALTIME_CONFIG)),
    ("contextWindowCompression", Object(&COMPRESSION)),
    ("inputAudioTranscription", Object(&AUDIO_TRANSCRIPTION)),
    ("outputAudioTranscription", Object(&AUDIO_TRANSCRIPTION)),
    ("proactivity", Object(&PROACTIVITY)),
    ("historyConfig", Object(&HISTORY)),
    ("explicitVadSignal", Plain),
    ("sessionResumption", State),
]);

static REALTIME_CONFIG: Fields = Fields(&[
    ("automaticActivityDetection", Object(&ACTIVITY_DETECTION)),
    ("activityHandling", Plain),
    ("turnCoverage", Plain),
    ("interimTranscriptTimestampEnabled", Plain),
]);

static ACTIVITY_DETECTION: Fields = Fields(&[
    ("disabled", Plain),
    ("startOfSpeechSensitivity", Plain),
    ("endOfSpeechSensitivity", Plain),
    ("prefixPaddingMs", Plain),
    ("silenceDurationMs", Plain),
]);

static COMPRESSION: Fields =
    Fields(&[("triggerTokens", Plain), ("slidingWindow", Object(&WINDOW))]);
static WINDOW: Fields = Fields(&[("targetTokens", Plain)]);
static PROACTIVITY: Fields = Fields(&[("proactiveAudio", Plain)]);
static HISTORY: Fields = Fields(&[("initialHistoryInClientContent", Plain)]);

static CLIENT_CONTENT: Fields = Fields(&[("turns", Turns(&CONTENT)), ("turnComplete", Plain)]);
static LIVE_RESPONSE: Fields = Fields(&[("functionResponses", Response(&FUNCTION_RESPONSE))]);
static CONTEXT_UPDATE: Fields =
    Fields(&[("systemInstruction", Object(&CONTENT)), ("tools", Object(&TOOL))]);

static REALTIME: Fields = Fields(&[
    ("mediaChunks", Object(&BLOB)),
    ("audio", Object(&BLOB)),
    ("video", Object(&BLOB)),
    ("text", Text),
    ("audioStreamEnd", Plain),
    ("activityStart", Object(&NOTHING)),
    ("activityEnd", Object(&NOTHING)),
]);
