// @google/genai, Google's own SDK for JavaScript.

import { GoogleGenAI, Modality, Type } from '@google/genai';
import {
  BASE_URL, BASE_URL_TLS, BROKEN_STREAM, EMBEDDER, EVERY_KEY_SPENT, FLASH, KEYS, LITE, LIVE, MISREAD,
  NOBODYS, OVERLOADED, OWN, THINKER, arrivals, assert, check, distinct, fault, keysOf, main, thrown,
} from './frame.mjs';

const client = (apiKey = OWN, baseUrl = BASE_URL) =>
  new GoogleGenAI({ apiKey, httpOptions: { baseUrl } });

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { chunks, text: chunks.map((chunk) => chunk.text ?? '').join('') };
}

check('generate: text, usage and how it was served', async () => {
  const answer = await client().models.generateContent({ model: FLASH, contents: 'a red apple' });
  assert(answer.text.includes('a red apple'), answer.text);
  assert(answer.usageMetadata.totalTokenCount > 0, answer.usageMetadata);
  const served = answer.sdkHttpResponse.headers['x-potluck-served-by'];
  assert(['own', 'pool'].includes(served), answer.sdkHttpResponse.headers);
});

check('generate: an even share of every key', async () => {
  for (let n = 0; n < 3 * KEYS.length; n += 1) {
    await client().models.generateContent({ model: FLASH, contents: `share ${n}` });
  }
  const seen = keysOf(await arrivals());
  assert(KEYS.every((key) => seen.filter((k) => k === key).length === 3), seen);
});

check('generate: system instruction and inline data arrive', async () => {
  const inlineData = { data: btoa('not quite a picture'), mimeType: 'image/png' };
  const answer = await client().models.generateContent({
    model: FLASH,
    contents: [{ role: 'user', parts: [{ text: 'what is this picture' }, { inlineData }] }],
    config: { systemInstruction: 'be brief', temperature: 0.1, maxOutputTokens: 200 },
  });
  assert(answer.text.includes('what is this picture'), answer.text);
  assert((await arrivals()).at(-1).body_head.includes('be brief'), 'no system instruction');
});

check('stream: chunk by chunk, whole, with an ending', async () => {
  const contents = 'one two three four five six seven eight nine ten';
  const stream = await client().models.generateContentStream({ model: FLASH, contents });
  const { chunks, text } = await collect(stream);
  assert(chunks.length > 1 && text.includes('six seven'), text);
  assert(chunks.at(-1).candidates[0].finishReason === 'STOP', chunks.at(-1));
});

check('stream: a broken one throws', async () => {
  await fault(BROKEN_STREAM);
  const contents = 'break me '.repeat(20);
  await thrown(async () =>
    collect(await client().models.generateContentStream({ model: FLASH, contents })));
});

check('chat: turns stay on one key, signatures come back', async () => {
  const chat = client().chats.create({ model: THINKER });
  for (const message of ['first turn', 'second turn', 'third turn']) {
    assert((await chat.sendMessage({ message })).text.includes(message), message);
  }
  const seen = await arrivals();
  assert(distinct(seen) === 1, keysOf(seen));
  assert(seen.at(-1).body_head.includes('thoughtSignature'), 'no signature was sent back');
});

check('count tokens', async () => {
  const answer = await client().models.countTokens({ model: FLASH, contents: 'a b c d' });
  assert(answer.totalTokens > 0, answer);
});

check('embed: one and several', async () => {
  const contents = ['apple', 'pear'];
  const { embeddings } = await client().models.embedContent({ model: EMBEDDER, contents });
  assert(embeddings.length === 2 && embeddings[0].values.length > 8, embeddings.length);
});

check('models: list and get, with the own key', async () => {
  const names = [];
  for await (const model of await client().models.list({ config: { pageSize: 5 } })) {
    names.push(model.name);
  }
  assert(names.includes(`models/${FLASH}`) && new Set(names).size === names.length, names);
  assert((await client().models.get({ model: FLASH })).name === `models/${FLASH}`, 'get');
  assert(keysOf(await arrivals()).every((key) => key === OWN), 'a list went with another key');
});

check('files: upload, use, list, delete, all with the own key', async () => {
  const mine = client();
  const note = new Blob(['a note of mine'], { type: 'text/plain' });
  const file = await mine.files.upload({ file: note, config: { mimeType: 'text/plain' } });
  assert(Number(file.sizeBytes) === 14 && file.uri, file);
  const parts = [{ text: 'read the note' }, { fileData: { fileUri: file.uri, mimeType: 'text/plain' } }];
  const answer = await mine.models.generateContent({ model: FLASH, contents: [{ role: 'user', parts }] });
  assert(answer.text.includes('read the note'), answer.text);
  assert(answer.sdkHttpResponse.headers['x-potluck-served-by'] === 'own', 'not served by own');
  const names = [];
  for await (const other of await mine.files.list()) names.push(other.name);
  assert(names.includes(file.name), names);
  await mine.files.delete({ name: file.name });
  assert([403, 404].includes((await thrown(() => mine.files.get({ name: file.name }))).status));
  assert(keysOf(await arrivals()).every((key) => key === OWN), 'a file went with another key');
});

check('files: 20 MB in pieces', async () => {
  const big = new Blob([new Uint8Array(20_000_000).fill(7)]);
  const config = { mimeType: 'application/octet-stream' };
  const file = await client().files.upload({ file: big, config });
  assert(Number(file.sizeBytes) === 20_000_000, file);
});

check('caches: create, use, delete, with the own key', async () => {
  const mine = client();
  const contents = [{ role: 'user', parts: [{ text: 'long text '.repeat(2000) }] }];
  const cache = await mine.caches.create({ model: FLASH, config: { contents, ttl: '600s' } });
  const config = { cachedContent: cache.name };
  const ask = { model: FLASH, contents: 'ask the cache', config };
  assert((await mine.models.generateContent(ask)).text.includes('ask the cache'), 'no answer');
  await mine.caches.delete({ name: cache.name });
  assert(keysOf(await arrivals()).every((key) => key === OWN), 'a cache went with another key');
});

check('functions: called and answered', async () => {
  const weather = {
    name: 'weather',
    parametersJsonSchema: { type: 'object', properties: { city: { type: 'string' } } },
  };
  const chat = client().chats.create({
    model: THINKER,
    config: { tools: [{ functionDeclarations: [weather] }] },
  });
  const asked = await chat.sendMessage({ message: 'call weather' });
  assert(asked.functionCalls?.[0]?.name === 'weather', asked);
  const functionResponse = { name: 'weather', response: { output: 'sunny' } };
  const answer = await chat.sendMessage({ message: [{ functionResponse }] });
  assert(answer.text.includes('sunny'), answer.text);
  assert(distinct(await arrivals()) === 1, 'the turns went with different keys');
});

check('structured output', async () => {
  const properties = { name: { type: Type.STRING }, count: { type: Type.INTEGER } };
  const responseSchema = { type: Type.OBJECT, properties, required: ['name', 'count'] };
  const config = { responseMimeType: 'application/json', responseSchema };
  const answer = await client().models.generateContent({ model: FLASH, contents: 'a fruit', config });
  assert(typeof JSON.parse(answer.text).name === 'string', answer.text);
});

check('interactions: begun and continued, with the own key', async () => {
  const { interactions } = client();
  const first = await interactions.create({ model: FLASH, input: 'an interaction' });
  assert(JSON.stringify(first).includes('an interaction'), first);
  const more = { model: FLASH, input: 'and another', previous_interaction_id: first.id };
  const second = await interactions.create(more);
  assert((await interactions.get(second.id)).id === second.id, second);
  assert(keysOf(await arrivals()).every((key) => key === OWN), 'it went with another key');
});

check('errors: 404, 400 and a bad key, in words of Google', async () => {
  const ask = (model, mine = client()) =>
    thrown(() => mine.models.generateContent({ model, contents: 'x' }));
  assert((await ask('gemini-0-none')).status === 404, 'not 404');
  await fault(MISREAD);
  assert((await ask(FLASH)).status === 400, 'not 400');
  const error = await ask(FLASH, client(NOBODYS));
  assert(error.status === 400 && error.message.includes('API_KEY_INVALID'), error.message);
  assert(!error.message.includes(NOBODYS), 'the key was told');
});

check('errors: 429 when every key is spent, then answered without Google', async () => {
  await fault(EVERY_KEY_SPENT);
  const ask = () => thrown(() => client().models.generateContent({ model: LITE, contents: 'x' }));
  assert((await ask()).status === 429, 'not 429');
  await arrivals();
  const error = await ask();
  assert(error.status === 429 && error.message.includes('RetryInfo'), error.message);
  assert((await arrivals()).length === 0, 'Google was asked');
});

check('errors: 503 after other keys were tried', async () => {
  await fault(OVERLOADED);
  const error = await thrown(() => client().models.generateContent({ model: FLASH, contents: 'x' }));
  assert(error.status === 503, error);
  assert(distinct(await arrivals()) === Math.min(4, KEYS.length), 'not every key was tried');
});

async function talk(base) {
  let hear;
  let heard = '';
  const whole = new Promise((yes, no) => { hear = { yes, no }; });
  whole.catch(() => {}); // the connection may fail before anybody waits for this
  const session = await client(OWN, base).live.connect({
    model: LIVE,
    config: { responseModalities: [Modality.TEXT] },
    callbacks: {
      onmessage: (message) => {
        heard += message.text ?? '';
        if (message.serverContent?.turnComplete) hear.yes();
      },
      onerror: (error) => hear.no(new Error(error.message)),
      onclose: (event) => hear.no(new Error(`closed: ${event.code} ${event.reason}`)),
    },
  });
  session.sendClientContent({ turns: 'hello over there', turnComplete: true });
  await whole;
  session.close();
  assert(heard.includes('hello over there'), heard);
}

check('Live: a session over ws', () => talk(BASE_URL));
check('Live: a session over wss', () => talk(BASE_URL_TLS));

check('TLS: generate over https', async () => {
  const mine = client(OWN, BASE_URL_TLS);
  const answer = await mine.models.generateContent({ model: FLASH, contents: 'over TLS' });
  assert(answer.text.includes('over TLS'), answer.text);
});

await main();
