/** Screening for paths that lead out of bounds or to files nobody should ask for. */
import { type ScreeningRule, words } from './screening-rule.ts';

const FOLDERS = words(`
  ssh aws azure docker kube gnupg git svn hg vscode idea claude cursor continue aider roo zed cline kiro windsurf rovodev codex
  opencode a0proj plandex fabric n8n junie gemini copilot terraform npm config/gcloud subversion mozilla android`);

export const PATH_RULES: readonly ScreeningRule[] = [
  {
    name: 'traversal',
    form: 'text',
    points: 5,
    pattern: /(?:^|[\\/;=])\.{2,3}[;]?[\\/]|[\\/]\.{2,3}(?:[\\/]|;[\\/])|\.\.;|\.\\;|[\\/]\.\.(?:\\| )/,
  },
  {
    name: 'encoded-traversal',
    form: 'text',
    points: 5,
    pattern: /0x2e\.? ?\/|0x5c ?0x2e|0x2f ?0x2e|%c0%ae|%c0%af|%252e|%uff0e|\.{2,4} ?\/ ?\.{2,4} ?\//,
  },
  {
    name: 'system',
    form: 'text',
    points: 5,
    pattern:
      /(?:^|[/ =:'"<>])\/?(?:etc\/(?:[\w.-]{1,40})|proc\/(?:self|\d{1,7}|sys|net|cpuinfo|version|mounts|interrupts|meminfo|stat|cmdline|kallsyms)|sys\/(?:class|kernel|devices|module|block|fs)|var\/(?:log|mail|spool|run|lib|www)\/?|root\/\.?\w|usr\/local\/|tmp\/\w{1,40}|boot\/\w|dev\/(?:null|random|mem|sd\w))/,
  },
  {
    name: 'file',
    form: 'text',
    points: 5,
    pattern:
      /(?:boot|win|system|php|desktop)\.ini\b|(?:httpd|nginx|my|lighttpd|sshd_config|apache2)\.(?:conf|cnf)\b|\bid_(?:rsa|dsa|ecdsa|ed25519)\b|\bweb\.config\b|\bsam\b[\\/]|\.ht(?:access|passwd)\b|\bwp-config\.|(?:^|\/)(?:\.env|credentials\.json|secrets?\.env|\w{1,20}\.env)(?:$|[.?/])|(?:backup|dump|database|db|site)s?\.(?:sql|tar|zip|gz|rar|7z|bak)\b|\.sql\.(?:zip|gz|bz2|tar)|(?:debug|errors?)\.log$|\.\.\/\.history|\/\.\w{0,12}history\b/,
  },
  {
    name: 'hidden',
    form: 'text',
    points: 5,
    pattern: new RegExp(
      `(?:^|[/ ~])\\.(?:${FOLDERS})(?:/|$)|/\\.(?:\\w{1,16}ignore|\\w{1,12}rc|netrc|pgpass|bash_\\w{4,8}|my\\.cnf|dockercfg)$|/@(?:fs|id)/`,
    ),
  },
  {
    name: 'wrapper',
    form: 'text',
    points: 5,
    pattern:
      /\b(?:php|expect|phar|zlib|glob|data|gopher|dict|ldap|jar|netdoc|ogg|rar|zip|ssh2|compress\.\w{3,5}):\/\/|\bfile:\/{2,3}/,
  },
  { name: 'zero', form: 'text', points: 3, pattern: /\\0|%00|__x00__/ },
];
