/** Screening for commands of Unix shells, of Windows and PowerShell, and of mail protocols spoken behind a line end. */
import { type ScreeningRule, words } from './screening-rule.ts';

/** Names that are hardly words of a language: with arguments, wherever a command can begin. */
const RARE = words(`
  7z 7za 7zr aa-exec adduser agetty alpine ansible ansible-\\w{2,12} apt-get aptitude aria2c arping ascii-xfr ascii85 aspell awk
  base32 base58 base64 basenc bash batcat bconsole blkid bpftrace bsdcat bsdiff bsdtar bunzip2 busctl busybox byebug bzcat bzcmp
  bzdiff bzegrep bzip2 bzless bzmore c89 c99 cancel capsh chattr chef-\\w{3,8} chgrp chmod choom chown chpasswd chroot cksum clang
  cobc column comm composer cowsay cowthink cp cpan cpio cpulimit crash crontab cscli csh csplit csvtool cupsfilter curl cut
  dash dd df dhclient dialog dig dmesg dmidecode dmsetup dnf dnsmasq docker doas dosbox dpkg du dvips easyrsa easy_install eb ed
  efax egrep emacs env eqn esh espeak ex exiftool expand expect fdisk fgrep fish flock fmt ftp gawk gcc[\\d.]{0,5} gcore gdb genie
  genisoimage getfacl ghc ghci gimp ginsh git grc grep gtester gunzip gzcat gzexe gzip hd hexdump highlight hping3 htop hostid
  hostname iconv id ifconfig iftop ip ipconfig ionice irb ispell jexec journalctl jq jrunscript jjs jsc julia kill killall knife
  ksh ksshell ksu kubectl ld\\.so ldconfig lftp lftpget links ln loginctl logname logsave lp ls lsb_release lscpu lshw lsmod
  lsof lspci lsusb ltrace lua lwp-\\w{3,12} lynx lz4c?a?t? lzcat lzma m4 mail mailx mawk mkdir mkfifo mknod mktemp mlocate
  mosquitto mpstat msgattrib msgcat msgfilter msgmerge mtr mv mysql mysqldump mtail nasm nano nawk nc nc\\.openbsd nc\\.traditional ncat
  ncdu neofetch net netcat netkit-ftp netplan netstat nft nginx nice nl nmap node nohup npm nroff nsenter nslookup nstat octave od
  openssl openvpn openvt opkg pacman pandoc passwd paste patch pax pdb pdflatex  pdftex perf perl[\\d.]{0,5} perlsh pftp php[57.]{0,4}
  pic pico pidstat pigz ping ping6 pip[\\d.]{0,4} pkexec pkg pkginfo pidof pgrep popd posh pptp printenv procan prename printf proxychains
  pry ps psed psftp psql ptx puppet pushd pwd python[\\d.]{0,5} pyversions qemu rake rbash rcp readelf realpath redcarpet
  redis-cli replace repeat restic rev rlogin rlwrap rm rmdir rmuser rmt rmt-\\w{2,6} rcp date aa-\\w{3,12} route rpm rpmdb rpmquery rpmverify rsync rtorrent
  ruby[\\d.]{0,5} runuser rview rvim sash scapy scp scrot sdiff sed setarch setenv setfacl setsid sftp sh shar shellcheck shuf
  shutdown slsh smbclient snap socat soelim softlimit sqlite3 ss ssh ssh-\\w{3,10} sshfs sshpass start-stop-daemon
  stdbuf strace strings su sudo svn sysctl systemctl tac tail tailf tar taskset tasksh tbl tclsh tcpdump tcping
  tcptraceroute tcsh tee telnet tftp timedatectl timeout tmate tmux touch traceroute tracepath troff tshark ul ulimit umount uname uncompress
  unexpand unlz4 unlzma unshare unxz unzip unzstd uniq uconv uptime update-alternatives urlget useradd userdel usermod utmpdump uudecode uuencode
  vagrant valgrind varnishncsa vi view vigr vim vimdiff vipw virsh virt-\\w{3,10} visudo w3m wall watch wc wget whatis
  whereis whiptail who whoami whodo wireshark xargs xelatex xetex xmodmap xpad xxd xz xzcat xzegrep yarn yelp yum zathura
  zcat zcmp zdiff zegrep zgrep zip zless zmore zrun zsh zsoelim zstd zypper eval exec source alias unalias export history
  bind bridge cat echo cd dir find head file finger less man nm screen sort split stat top tree
  users w diff join locate mount last lastlog lastlogin lastcomm cmp fold host login make set test read fetch fc fg gem go hup
  pr perms python3 pyvenv pydoc rename reset rz sg sz sum tic x86_64 xdg-open crsctl acpi apache2 apachectl at batch bcdboot compgen`);

/** Of those, the ones that say what they are with nothing behind them. */
const ALONE = words(`
  ifconfig whoami visudo chef-shell printenv ipconfig netstat uname lsb_release lspci lsusb lscpu htop lsof dmesg vipw
  vigr nslookup hostid ps ls pwd id who env df w`);

const PREFIXES = words(
  'time nohup strace ltrace sudo doas env exec nice ionice command builtin timeout xargs setsid busybox watch stdbuf eval unbuffer',
);

const path = '(?:[\\w.?*~/[\\]-]{0,40}/)?';
const behind = ';|&`\\n';

const CMDLETS = words(`
  invoke-\\w{3,24} get-(?:childitem|content|process|service|wmiobject|item\\w{0,12}|date|host|help|command|member|location|variable|alias|credential)
  set-(?:item\\w{0,12}|content|location|variable|executionpolicy|alias) new-(?:object|item\\w{0,12}|service|psdrive) start-(?:process|job|service|bitstransfer|sleep|transcript)
  stop-(?:process|service|computer) remove-item\\w{0,12} copy-item\\w{0,12} move-item\\w{0,12} out-(?:file|string|null|gridview|printer) write-(?:host|output|error)
  import-(?:module|csv|clixml) export-\\w{3,12} convertto-\\w{3,14} add-(?:type|content|member|pssnapin) select-(?:object|string|xml) where-object foreach-object
  enter-pssession test-path restart-computer clear-\\w{4,12} compare-object measure-\\w{4,8} enable-\\w{4,20} disable-\\w{4,20}`);

const WINDOWS = words(`
  powershell pwsh cmd(?:\\.exe)? mshta rundll32 regsvr32 certutil bitsadmin wmic cscript wscript msiexec schtasks reg net1? netsh tasklist
  taskkill icacls takeown vssadmin bcdedit bcdboot installutil regasm forfiles msbuild odbcconf pcalua ipconfig systeminfo
  iwr irm iex iwmi curl\\.exe bash\\.exe diskshadow dnscmd esentutl expand extexport findstr hh ieexec mavinject
  nltest ntdsutil psexec qwinsta robocopy rpcping sc scriptrunner syncappvpublishingserver tracert type wsl xwizard attrib cacls
  certreq cmstp control csc desktopimgdownldr gpscript infdefaultinstall makecab pnputil presentationhost print query quser rasautou
  register-cimprovider replace runscripthelper tttracer verclsid wuauclt wab xcopy at cipher cmdkey dir echo del erase copy move ren md rd start`);

const anywhere = new RegExp(
  `(?:[;|&\\n\`]|\\$\\(|\\|\\||&&|[<>]\\(|\\{ ?,? ?|=\\(|^!) ?${path}(?:${RARE})(?: ?[<>;|&)}\`,#]| -{1,2}\\w| [./~$!*({\\\\][\\w./~$!*({\\\\?-]{0,8}| \\+\\w| \\w{1,24}[./:=@]| \\w{1,24} ?$| ?$| \\w{1,16} \\w{1,16} [\\w\\\\!]{1,12} ?$)`,
);

export const COMMAND_RULES: readonly ScreeningRule[] = [
  { name: 'backticks', form: 'text', points: 5, pattern: new RegExp(`\`(?:${RARE})[ \`<$-]`) },
  { name: 'separated', form: 'shell', points: 5, pattern: anywhere },
  {
    name: 'lines',
    form: 'lines',
    points: 5,
    pattern: new RegExp(
      `\\n ?${path}(?:cat|ls|id|whoami|wget|curl|ping|uname|nc|bash|sh|ifconfig|rm|chmod)(?: [-/.\\w]|$)`,
    ),
  },
  {
    name: 'arguments',
    form: 'shell',
    points: 5,
    pattern: new RegExp(
      `^ ?(?:arg=;)?${path}(?:${RARE}|${PREFIXES})(?: ?<<<| -{1,2}[\\w-]{1,24}(?: |=|,|$)| [~/$][\\w./~$-]{1,60}| \\w{0,24}(?:://|=/)| [\\w-]{1,24}\\.(?:com|org|net|local|sh|py|pl|php|txt|gz|rb|conf)\\b| (?:all|any) -| localhost\\b| \\d{1,3}\\.\\d{1,3}\\.)`,
    ),
  },
  {
    name: 'prefixed',
    form: 'shell',
    points: 5,
    pattern: new RegExp(
      `(?:^|[;|&\`(=]) ?(?:${PREFIXES})[ ;]{1,2} ?${path}(?:${RARE})(?: [-/.\\w]{1,30}|[${behind}]| ?$)`,
    ),
  },
  {
    name: 'alone',
    form: 'shell',
    points: 5,
    pattern: new RegExp(
      `^ ?(?:${words('ifconfig whoami visudo chef-shell printenv ipconfig lsb_release lspci lsusb lscpu vipw vigr nslookup')}) ?$`,
    ),
  },
  {
    name: 'known',
    form: 'shell',
    points: 5,
    pattern:
      /\b(?:ansible(?:-\w{2,12})?|chef-\w{3,8}|cscli|kubectl|mosquitto_\w{3}|nc|ncat|curl|wget|perl|python[\d.]{0,4}|ruby|php[57]?|bash|tcsh|zsh|ksh|cat|ls|chmod|nslookup|ping|dig|tail|rm|mkdir|strace|ncat|bsdtar|c99|aria2c) (?:-\w{1,8} |--[a-z]|alerts? list|plugin ping|all -|foo bar|https?:|\/(?:etc|tmp|var|usr|bin|proc|root|dev)\b|localhost|\d{1,3}\.\d{1,3}\.|\w{1,20}\.(?:com|org|net)\b|wrapper|-?\w{0,8} ?\w{0,12}\.rb|cmd ?$)/,
  },
  {
    name: 'substitution',
    form: 'text',
    points: 5,
    pattern:
      /\$\((?!\.|document|window|this|['"#])[^)]{0,80}\)?|\$\{[^}]{0,80}\}|<\([^)]{0,60}\)|>\([^)]{0,60}\)|\$\(\(|<<<|\|\s?sh\b|\$\w{1,12}\$\w|\w\$[@*?_]\w|\w\$\w{1,3}[+/]/,
  },
  {
    name: 'glob',
    form: 'text',
    points: 5,
    pattern:
      /\/(?:etc|et|bin|usr|dev|proc|tmp|var|root|home|opt|lib|sbin|[a-z]{0,3}[?*]{1,3}[a-z]{0,3})\/?[\w./-]{0,30}[?*[][^ ]{0,20}|\/[?*[\]a-z]{1,6}[?*[][?*[\]a-z]{0,6}\/|\b(?:cat|ls|head|tail|more|less|grep) [^ ]{0,20}[?*[]/,
  },
  {
    name: 'shell',
    form: 'shell',
    points: 5,
    pattern:
      /(?:^|\/)s?bin\/\w|\/dev\/(?:tcp|udp)\/|\b(?:bash|sh|zsh|ksh|csh) -[ci]\b|(?:;|\|) ?\.?\.?\/?\w{0,12}\.sh\b|\/etc\/(?:passwd|shadow|group|hosts)|\$shell\b|\$home\b|\bif=\/|\bof=\/|\|& ?\}|-exec\b|\b\.\/\w{1,24} -|\{ ?,|\}\{/,
  },
  { name: 'shellshock', form: 'tight', points: 5, pattern: /(?:^|[^\w])\(\)\{/ },
  { name: 'forkbomb', form: 'tight', points: 5, pattern: /[:.\w]\(\)\{[^}]{0,20}\|[^}]{0,20}&\}/ },
  {
    name: 'braces',
    form: 'shell',
    points: 5,
    pattern: /\{[\w/?*.#$-]{0,16},[\w#/?*.$]{0,16}(?:,[\w#/?*.$-]{0,16}){0,6}\}/,
  },
  {
    name: 'tilde',
    form: 'text',
    points: 5,
    places: ['query'],
    pattern: /^~[+-]?\d{0,3}$|^~[+-]$|^![\w-]{1,3}$|^!!$/,
  },
  { name: 'alias', form: 'text', points: 5, pattern: /\balias (?:-\w{1,4} )?['"\w]{1,20}['"]?=/ },
  {
    name: 'quoted',
    form: 'text',
    points: 5,
    pattern:
      /\b\w{1,12}(?:''|"")\w|(?:^|[;|& ])(?:['"]\w['"]){1}\w{1,12} \w|(?:""\w){2}|[a-z]'[a-z]{1,3}'|\w\?'|'\w{1,12}' \/\w/,
  },
  {
    name: 'windows-for',
    form: 'text',
    points: 5,
    pattern: /\bfor (?:\/[dflr] )?(?:"[^"]{0,60}" )?\(?%{0,2}[^ ]{1,12} in ?\(|\bfor (?:\/[dflr] )[^)]{0,60} in ?\(/,
  },
  {
    name: 'windows-if',
    form: 'text',
    points: 5,
    pattern:
      /\bif(?: |\/i )[^=]{1,40}={2,3} ?[\w(%[]|\bif\b ?\(?[^=]{1,30} (?:equ|neq|lss|leq|gtr|geq) |\bif (?:\/i )?(?:not )?(?:exist\b ?\S|errorlevel \d|defined \w|cmdextversion \d|["'%(\w![\]~?/ -]{1,30} ?(?:==|\b(?:equ|neq|lss|leq|gtr|geq)\b) ?["'%(\w![\]])/,
  },
  { name: 'powershell', form: 'text', points: 5, pattern: new RegExp(`\\b(?:${CMDLETS})\\b`) },
  {
    name: 'windows',
    form: 'shell',
    points: 5,
    pattern: new RegExp(
      `(?:[;|&\\n\`]|\\|\\||&&)[ ]?(?:[a-z]:[\\\\/][\\w\\\\/.-]{0,40})?(?:${WINDOWS})(?:\\.exe)?(?: [-/%$\\w]{0,12}[/:%.\\\\-]| https?:| [/-]\\w|$)`,
    ),
  },
  {
    name: 'windows-variable',
    form: 'text',
    points: 5,
    pattern:
      /%(?:systemroot|comspec|windir|temp|appdata|userprofile|programfiles)%|\bcmd(?:\.exe)? ?\/[ck]\b|\bpowershell(?:\.exe)? -/,
  },
  {
    name: 'exec',
    form: 'text',
    points: 5,
    pattern:
      /\b(?:system|exec|shell_exec|passthru|popen|proc_open|pcntl_exec|child_process|runtime\.getruntime|subprocess)\b ?[(.]|<!--#(?:exec|include|echo|set)\b|\bimport os\b|__import__/,
  },
  {
    name: 'script-file',
    form: 'text',
    points: 5,
    pattern: /(?:^|[/\\])\.?(?:bash|zsh|sh|ksh|csh|python|node|psql|mysql)_?(?:history|rc|profile|logout)\b/,
  },
  {
    name: 'smtp',
    form: 'lines',
    points: 5,
    pattern:
      /\r?\n ?(?:(?:ehlo|helo) [\w.-]{2,255}|mail from: ?<|rcpt to: ?<|data(?:\r|\n|$)|quit(?:\r|\n|$)|rset(?:\r|\n|$)|vrfy \S|expn \S|noop(?:\r|\n|$)|help(?:\r|\n|$)|starttls|auth \w{4,16} )/,
  },
  {
    name: 'imap',
    form: 'lines',
    points: 5,
    pattern:
      /\r?\n ?[a-z]{0,2}\d{0,6} (?:append|authenticate|capability|check|close|copy|create|delete|examine|expunge|fetch|getacl|login|logout|lsub|list|noop|rename|search|select|setacl|starttls|status|store|subscribe|uid|unsubscribe)\b/,
  },
  {
    name: 'pop',
    form: 'lines',
    points: 5,
    pattern:
      /\r?\n ?(?:(?:retr|dele|top|list|uidl) \d|(?:stat|rset|capa|quit|stls|uidl|list|noop)(?:\r|\n|$)|(?:user|pass|apop) \S{2,40}(?: [0-9a-f]{8,64})?(?:\r|\n|$)|auth [\w-]{4,16}(?:\r|\n|$))/,
  },
  {
    name: 'lone',
    form: 'shell',
    points: 5,
    places: ['query', 'body', 'header'],
    pattern: new RegExp(`[;|&] ?(?:${ALONE}) ?$`),
  },
  {
    name: 'more-shell',
    form: 'text',
    points: 5,
    pattern:
      /\$\[|\/\[|\bwhoami\b|\(sh\)|(?:^|;) ?cd (?:\/|\.\.|~|\w{1,20}(?:;|$))|=[\w[\]]{2,20}(?:;|&&)\$\w|\w``|^!-?\d|[;|&] ?(?:vim?|ex|view) [-\w]|\bpip[x3]? install\b|^ ?shutdown ?$|;\.? ?(?:rm|sh|bash|chmod) [-+\w/]|^ ?rc \w{1,20}\.sh|\balias [+-]\w|\balias [\w.]{1,12}=/,
  },
  {
    name: 'tools',
    form: 'shell',
    points: 5,
    pattern:
      /\b(?:ansible-(?:config|console|galaxy|inventory|playbook|pull|vault|doc|test)|chef-(?:vault|shell|run|client|solo))\b|^ ?(?:code=)?(?:ansible all|chef report|cscli alerts|aa-\w{4,12} \w)/,
  },
  {
    name: 'uploads',
    form: 'text',
    points: 5,
    field: 'x-filename',
    pattern: /wp-config|settings ?\.php|^\.\w{2,12}$|config\.\w{2,4} ?$|^(?:mtrr|acpi)$/,
  },
];
