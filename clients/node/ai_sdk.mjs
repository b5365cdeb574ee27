// @ai-sdk/google under `ai`, as web developers have it.

import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { embed, embedMany, generateText, jsonSchema, streamText, tool } from 'ai';
import {
  BASE_URL, BROKEN_STREAM, EMBEDDER, EVERY_KEY_SPENT, FLASH, LITE, OWN, THINKER, arrivals, assert,
  check, distinct, fault, main, thrown,
} from './frame.mjs';

const google = createGoogleGenerativeAI({ apiKey: OWN, baseURL: `${BASE_URL}/v1beta` });

check('generateText: text and usage', async () => {
  const { text, usage } = await generateText({ model: google(FLASH), prompt: 'a red apple' });
  assert(text.includes('a red apple') && usage.totalTokens > 0, { text, usage });
});

check('generateText: several turns stay on one key', async () => {
  const messages = [];
  for (const content of ['the first turn', 'the second turn', 'the third turn']) {
    messages.push({ role: 'user', content });
    const answer = await generateText({ model: google(THINKER), messages });
    assert(answer.text.includes(content), answer.text);
    messages.push({ role: 'assistant', content: answer.text });
  }
  assert(distinct(await arrivals()) === 1, 'the turns went with different keys');
});

check('streamText: whole, with its ending', async () => {
  const answer = streamText({ model: google(FLASH), prompt: 'one two three four five six seven' });
  let text = '';
  for await (const piece of answer.textStream) text += piece;
  assert(text.includes('three four five'), text);
  assert((await answer.finishReason) === 'stop', await answer.finishReason);
});

check('streamText: a broken one is told', async () => {
  await fault(BROKEN_STREAM);
  const errors = [];
  const onError = ({ error }) => errors.push(error);
  const answer = streamText({
    model: google(FLASH), prompt: 'break me '.repeat(20), maxRetries: 0, onError,
  });
  await answer.consumeStream({ onError: (error) => errors.push(error) });
  assert(errors.length > 0, 'the break went unnoticed');
});

check('tools: called and answered', async () => {
  const inputSchema = jsonSchema({ type: 'object', properties: { city: { type: 'string' } } });
  const weather = tool({ description: 'weather', inputSchema, execute: async () => 'sunny' });
  const prompt = 'call weather';
  const answer = await generateText({ model: google(FLASH), tools: { weather }, prompt });
  assert(answer.toolResults[0]?.output === 'sunny', answer.toolResults);
});

check('embed: one and several', async () => {
  const model = google.textEmbeddingModel?.(EMBEDDER) ?? google.embeddingModel(EMBEDDER);
  assert((await embed({ model, value: 'apple' })).embedding.length > 8, 'one');
  assert((await embedMany({ model, values: ['apple', 'pear'] })).embeddings.length === 2, 'two');
});

check('errors: 429 with its status', async () => {
  await fault(EVERY_KEY_SPENT);
  const ask = { model: google(LITE), prompt: 'x', maxRetries: 0 };
  const error = await thrown(() => generateText(ask));
  assert(error.statusCode === 429, error);
});

await main();
