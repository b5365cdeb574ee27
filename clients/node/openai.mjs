// openai for JavaScript, on the OpenAI-compatible routes.

import OpenAI from 'openai';
import {
  BASE_URL, BROKEN_STREAM, EMBEDDER, EVERY_KEY_SPENT, FLASH, IMAGEN, KEYS, LITE, MISREAD, NOBODYS,
  OVERLOADED, OWN, arrivals, assert, check, distinct, fault, keysOf, main, thrown,
} from './frame.mjs';

const PATHS = ['/v1beta/openai/', '/v1'];

const client = (path = PATHS[0], apiKey = OWN, maxRetries = 0) =>
  new OpenAI({ apiKey, baseURL: BASE_URL + path, maxRetries });

const ask = (mine, content, more = {}) =>
  mine.chat.completions.create({ model: FLASH, messages: [{ role: 'user', content }], ...more });

check("chat: an answer under Google's path and under OpenAI's", async () => {
  for (const path of PATHS) {
    const answer = await ask(client(path), 'a red apple');
    assert(answer.choices[0].message.content.includes('a red apple'), answer);
    assert(answer.usage.total_tokens > 0, answer.usage);
  }
});

check('chat: several turns stay on one key', async () => {
  const messages = [];
  for (const content of ['turn the first', 'turn the second', 'turn the third']) {
    messages.push({ role: 'user', content });
    const answer = await client().chat.completions.create({ model: FLASH, messages });
    assert(answer.choices[0].message.content.includes(content), answer);
    messages.push(answer.choices[0].message);
  }
  assert(distinct(await arrivals()) === 1, 'the turns went with different keys');
});

check('stream: whole, with its ending', async () => {
  const stream = await ask(client(), 'one two three four five six seven', { stream: true });
  let text = '';
  let finish;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? '';
    finish = chunk.choices[0]?.finish_reason ?? finish;
  }
  assert(text.includes('three four five') && finish === 'stop', { text, finish });
});

check('stream: a broken one throws', async () => {
  await fault(BROKEN_STREAM);
  await thrown(async () => {
    const stream = await ask(client(), 'break me '.repeat(20), { stream: true });
    for await (const chunk of stream) assert(chunk);
  });
});

check('tools: called and answered', async () => {
  const parameters = { type: 'object', properties: { city: { type: 'string' } } };
  const tools = [{ type: 'function', function: { name: 'weather', parameters } }];
  const messages = [{ role: 'user', content: 'call weather' }];
  const asked = await client().chat.completions.create({ model: FLASH, messages, tools });
  const [call] = asked.choices[0].message.tool_calls;
  assert(call.function.name === 'weather', call);
  messages.push(asked.choices[0].message);
  messages.push({ role: 'tool', tool_call_id: call.id, content: 'sunny' });
  const answer = await client().chat.completions.create({ model: FLASH, messages, tools });
  assert(answer.choices[0].message.content.includes('sunny'), answer.choices[0]);
});

check('embeddings: several', async () => {
  const input = ['apple', 'pear'];
  const { data } = await client().embeddings.create({ model: EMBEDDER, input });
  assert(data.length === 2 && data[0].embedding.length > 8, data.length);
});

check('models: list and get, with the own key', async () => {
  for (const path of PATHS) {
    const ids = [];
    for await (const model of client(path).models.list()) ids.push(model.id);
    assert(ids.includes(`models/${FLASH}`), ids);
  }
  assert((await client().models.retrieve(FLASH)).id.includes(FLASH), 'get');
  assert(keysOf(await arrivals()).every((key) => key === OWN), 'a list went with another key');
});

check('images: stay on the own key', async () => {
  const wanted = { model: IMAGEN, prompt: 'a pear', response_format: 'b64_json' };
  assert((await client().images.generate(wanted)).data[0].b64_json, 'no image');
  assert(keysOf(await arrivals()).every((key) => key === OWN), 'another key paid');
});

check('errors: each has its type', async () => {
  const none = await thrown(() => ask(client(), 'x', { model: 'gemini-0-none' }));
  assert(none instanceof OpenAI.NotFoundError, none);
  await fault(MISREAD);
  const misread = await thrown(() => ask(client(), 'x'));
  assert(misread instanceof OpenAI.BadRequestError, misread);
  const bad = await thrown(() => ask(client(PATHS[0], NOBODYS), 'x'));
  assert(bad instanceof OpenAI.BadRequestError && !bad.message.includes(NOBODYS), bad);
});

check('errors: 429 is told to wait, and a useless retry is not made', async () => {
  await fault(EVERY_KEY_SPENT);
  const first = await thrown(() => ask(client(), 'x', { model: LITE }));
  assert(first instanceof OpenAI.RateLimitError, first);
  await arrivals();
  const error = await thrown(() => ask(client(PATHS[0], OWN, 2), 'x', { model: LITE }));
  assert(error instanceof OpenAI.RateLimitError, error);
  assert(error.headers.get('x-should-retry') === 'false', 'the SDK is left to retry');
  assert((await arrivals()).length === 0, 'Google was asked');
});

check('errors: 503 after other keys were tried', async () => {
  await fault(OVERLOADED);
  assert((await thrown(() => ask(client(), 'x'))).status === 503, 'not 503');
  assert(distinct(await arrivals()) === Math.min(4, KEYS.length), 'not every key was tried');
});

await main();
