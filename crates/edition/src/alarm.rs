//! What an operator reads in the log when the pool raises an alarm.

use potluck_core::Alarm;

/// The alarm as a sentence.
pub fn sentence(alarm: Alarm) -> &'static str {
    match alarm {
        Alarm::OurPlace => {
            "Google refuses the place we call from. No key is to blame; calls must leave from \
             elsewhere (the native edition's --egress)."
        }
        Alarm::Everyone => {
            "many keys were refused at once; verdicts are held until a probe has decided"
        }
        Alarm::EveryoneConfirmed => {
            "a key that was good a moment ago is refused too: the keys are not to blame, look at \
             the way out"
        }
        Alarm::EveryoneDead => "the keys that were refused together are dead indeed",
    }
}
