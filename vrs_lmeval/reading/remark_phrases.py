"""Phrases of remarks: that there is no image, that it shows nothing, that it does not fit; for folded sentences.

`image_remarks.py` says what they mean, and uses them. Gaps have bounds, so that a search is linear in the text.
"""

from __future__ import annotations

import re

_MADE_OF = (
    r"(?:(?:medical|clinical|diagnostic|radiolog\w+|patholog\w+|histo\w+|microscop\w+|fundus|retinal|ophthalm\w+|"
    r"endoscop\w+|dermato\w+|chest|thora\w+|gallbladder|thyroid|prostate|colon|bone|gastric|brain|head|cranial|"
    r"abdom\w+|pelvi[cs]|knee|hand|foot|hip|spin\w+|cardiac|heart|breast|liver|kidney|renal|lung|dental|skull|skin|"
    r"x ?-?ray|ct|mri?|pet|ultrasound|plain|frontal) )"
)
"""What stands before "image" and says what it is an image of, or how it was made."""

_WHICH = (
    r"(?:(?:actual|real|accompanying|associated|corresponding|such|usable|valid|visual|single|original|input|"
    r"referenced|mentioned|attached|provided|uploaded|given|supplied|submitted|shown|current|particular|specific) )"
)
KIND_OF_IMAGE = (
    r"(?:x ?-?rays?|radiographs?|films?|slides?|cts?|mris?|mr|ultrasounds?|sonograms?|mammograms?|angiograms?|"
    r"echocardiograms?|tomograms?|micrographs?|(?:images?|pictures?|photos?|photographs?|scans?)|cxr)"
)
_IMAGE = (
    rf"(?:{_WHICH}|{_MADE_OF}){{0,4}}(?:{KIND_OF_IMAGE}|figures?|visuals?|attachments?|files?|uploads?|imaging)(?: "
    r"(?:images?|scans?|films?|slides?|files?|data|inputs?|content))?\b"
)
_A_KIND_OF_IMAGE = rf"{_MADE_OF}{{0,4}}{KIND_OF_IMAGE}(?: (?:images?|scans?|films?|slides?))?\b"
BODY = (
    r"(?:(?:the |an? |any )?(?:human |left |right )?(?:liver|kidneys?|spleen|pancreas|gallbladder|stomach|bowels?|"
    r"intestines?|colon|abdomen|pelvis|chest|thorax|lungs?|heart|brain|head|skull|spine|neck|knees?|hips?|hands?|"
    r"foot|feet|legs?|arms?|shoulders?|elbows?|wrists?|ankles?|breasts?|eyes?|retina|fundus|skin|teeth|jaw|bladder|"
    r"prostate|uterus|thyroid|abdominal organs?)\b)"
)
_DET = r"(?:any|an?|the|your|this|that|these|those)"
_ADVERB = r"(?:\w+ly|actually|currently|also|even|yet|just|simply|really|quite|still|all)"
_WHICH_AFTER = (
    r"(?: (?:provided|shown|given|attached|uploaded|supplied|itself|above|below|here|in question|presented|"
    r"displayed|submitted|file|for this question|in your \w+|(?:that )?(?:you|i) (?:\w+ ){0,2}\w+|that (?:is|was|"
    r"has been) \w+))?"
)
_THE_IMAGE = rf"(?:\b(?<!of )(?<!in ){_DET} (?:whole |entire |full )?|(?:^|[,:] ?|- )){_IMAGE}{_WHICH_AFTER}"
_IS = (
    r"(?:is|are|was|were|(?:has|have|had|could|can|may|might|must|to) (?:been|be)|(?:seems?|appears?) to (?:be|have "
    r"been))"
)
_BE = rf"(?:{_IS}|seems?|appears?|looks?)"
_NOT = r"(?:not|never|isnt|arent|wasnt|werent|hasnt|havent)"
_DOES_NOT = r"(?:does not|doesnt|do not|dont|did not|didnt|fails? to|failed to|cannot|cant|can not|could not|couldnt)"
_ENDS = r"(?= ?$|[,:/]| -| to me\b)"
CANNOT = (
    r"(?:cannot|cant|can not|could not|couldnt|wont be able to|unable to|(?:not|isnt|wasnt) (?:currently )?(?:able|"
    r"equipped|designed|configured|set up|in a position) to|(?:in|not )capable of|(?:no|lacks?|without|(?:do not|"
    r"dont) (?:have|possess)) (?:the |any )?(?:visual )?(?:ability|capability|capabilities|capacity|means|way|"
    r"tools?) (?:to|of))"
)
_NO_MORE = (
    r"(?! (?:findings?|abnormal\w*|evidence|signs?|features?|changes|quality|details?|clearly|well|properly|in "
    r"detail|showing|reports?|results?)\b)"
)
"""Words that make "image" a part of another thing, or the sight of it a matter of degree."""

_GIVEN = (
    r"(?:provided|attached|uploaded|included|given|supplied|shared|received|available|present|here|found|loaded|"
    r"enclosed|submitted|sent|posted|embedded|accessible|accompanying|presented|displayed|shown to me|visible to "
    r"me)\b"
)
_HERE = r"in (?:the|your|this|our) (?:message|question|prompt|conversation|chat|request|input|context|post)"
_TO_LOOK = r"(?:for me )?to (?:look|see|view|analy|examine|interpret|assess|evaluat|work|go|judge|refer|review|inspect)"
_HAND_OVER = (
    r"(?:upload|provid|shar|attach|send|sent|post|submit|suppl|includ|add|giv|gav)(?:e|es|ed|en|ing|y|ying|ied)?"
)
_SEE = (
    r"(?:see|seeing|view|viewing|access|accessing|open|opening|look at|looking at|display|load|process|processing|"
    r"receive|perceive|perceiving|retrieve|find|locate)"
)

CANNOT_SEE = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b{CANNOT}(?: {_ADVERB})?(?: \w+ (?:or|and|nor))? {_SEE}(?: (?:or|and|nor) "
        rf"\w+)?(?: {_DET})? {_IMAGE}{_NO_MORE}",
        rf"\b(?:i|we|ive|weve)(?: {_ADVERB})? (?:{_DOES_NOT}|have not|havent|never)(?: {_ADVERB})? (?:see|have|find|"
        r"get|got|received?|seen|been (?:given|shown|sent|provided(?: with)?|supplied with)|have (?:any |direct "
        rf")?access to)(?: {_DET})? {_IMAGE}{_NO_MORE}",
        r"\b(?:(?:was|were|am) (?:not|never)|wasnt|werent) (?:given|shown|sent|(?:provided|supplied|presented) "
        rf"with)(?: {_DET})? {_IMAGE}",
        rf"\bi (?:can )?(?:see|have|find|got|received|was (?:given|shown|sent)) no {_IMAGE}{_NO_MORE}",
        rf"\b(?:no|not have|dont have|lack) (?:direct |visual )?access to (?:{_DET} )?{_IMAGE}",
        r"\bwithout (?:(?:being able to |actually |first )?(?:see|view)(?:ing)?|having (?:seen|access to)|access to|"
        rf"looking at|a look at) (?:{_DET} )?{_IMAGE}",
        rf"\bnot seeing (?:{_DET} )?{_IMAGE}",
        r"\b(?:image|picture|scan|x ?-?ray|photo|mri|ct)\b.{0,40}\b(?:do not|dont|cannot|cant) (?:see|find|have) "
        r"(?:one|any)\b",
        r"\b(?:as|im|i am|being) an? (?:purely |only )?text(?:[- ](?:only|based))? (?:ai|model|assistant|system|"
        r"language|llm)",
        r"看不到?(?:见)?(?:任何|这张|该|您的?|所?提供的?|上传的?|医学)*(?:图像|图片|影像|照片)",
        r"(?:无法|不能|没法)(?:直接)?(?:查看|看到|看见|访问|打开|读取|接收|显示)[^,]{0,8}(?:图像|图片|影像|照片)",
    )
)
REQUESTS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:please|kindly|(?:could|can|would) you|you (?:can|could|may|need to|should|must)|(?:if|once|after|"
        rf"when) you|feel free to|need you to|like you to)(?: {_ADVERB}| please| try| to)* (?:re-?)?{_HAND_OVER}(?: "
        rf"me| us)?(?: with)? (?:(?:{_DET} )?{_IMAGE}{_NO_MORE}|it again\b|one\b)",
        rf"\b(?:need|require|have|like) (?:to (?:see|view|look at|examine|have)|access to) (?:{_DET} "
        rf")?{_IMAGE}{_NO_MORE}",
        rf"\bplease (?:try again|describe (?:{_DET} )?{_IMAGE})",
        r"请(?:您|你)?(?:重新|先)?(?:上传|提供|发送|附上|给出)[^,]{0,12}(?:图像|图片|影像|照片|x光片?)",
    )
)
NOT_GIVEN = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:image|picture|scan|x ?-?ray|photo)s?:? (?:is |was )?not (?:provided?|given|available|attached|found|"
        r"included|supplied|uploaded)\b",
        r"\b(?:image|picture|photo) (?:missing|unavailable)\b|\bnot (?:give|send|upload|attach|provide) (?:an? |the "
        r"|any )?(?:image|picture)\b",
        r"\bonly (?:received|have|got|see|have access to|been given|was given)(?: access to)? (?:the |your "
        r")?(?:text|question|words)\b",
        rf"\bno {_IMAGE} (?:came|comes|has reached|reached|accompan\w+|arrived|has arrived|(?:on|at) my (?:end|"
        r"side))\b",
        rf"\bwhere is (?:the|your) {_IMAGE}|\b(?:i am|im|we are) missing (?:the|your|an) {_IMAGE}",
        rf"\bthere {_DOES_NOT} (?:appear|seem) to be (?:an?|any) {_IMAGE}(?! (?:of|showing)\b)",
        rf"\b{_IMAGE}.{{0,20}}?\b(?:which|that|it) {_NOT} (?:been )?(?:provided|attached|uploaded|included|given|"
        r"supplied|shared)\b",
        rf"\bbut (?:not|no)(?: {_DET})? {_IMAGE}{_ENDS}",
        r"(?:没有|没|未)(?:看到|收到|见到|上传|提供|附带)[^,]{0,8}(?:图像|图片|影像|照片)(?!异常|上|中|显示|"
        r"改变|证据)|缺少(?:图像|图片|影像|照片)",
        rf"\bno {_IMAGE}(?: of (?:[\w-]+ ){{0,4}}[\w-]+)?(?: {_IS})?(?: {_ADVERB})? {_GIVEN}",
        rf"\bno {_IMAGE}(?:{_ENDS}| (?:{_TO_LOOK}|for me|{_HERE}|so|at all|but)\b)",
        rf"\bnot (?:any|a single) {_IMAGE}(?:{_ENDS}| (?:{_GIVEN}|{_TO_LOOK}|for me|{_HERE}))",
        r"\b(?:there|it) (?:isnt|arent|wasnt|(?:does not|doesnt|do not|dont) (?:seem|appear) to (?:be|have)) (?:an?|"
        rf"any) {_IMAGE}(?:{_ENDS}| (?:{_GIVEN}|{_TO_LOOK}|for me|{_HERE}|so|but))",
        rf"{_THE_IMAGE}(?: {_IS})? {_NOT}(?: {_ADVERB})?(?: been)? {_GIVEN}",
        rf"{_THE_IMAGE} {_BE}(?: {_ADVERB})? (?:missing|absent|unavailable|inaccessible)(?:{_ENDS}| (?:from|in|so|"
        r"and|or|here)\b)",
        rf"{_THE_IMAGE} (?:{_DOES_NOT}|has not|hasnt|never|wont)(?: seem to| appear to)?(?: have)?(?: been| be)? "
        r"(?:load|come through|came through|go through|gone through|upload|attach|open|render|arrive|accessed|"
        r"viewed|retrieved|displayed|show up)",
        r"\b(?:link|upload|attachment) (?:is|seems|appears)(?: to be)? (?:broken|invalid|expired|missing)\b",
        r"\byou (?:did not|didnt|have not|havent|never|may not have|might not have|(?:seem to have |may have |might "
        rf"have |have )?forgot(?:ten)?|failed|neglected)(?: to)?(?: {_ADVERB})? {_HAND_OVER}(?: me)?(?: "
        rf"with)?(?: {_DET})? {_IMAGE}",
        r"\bforg[eo]t(?:ten)? to (?:attach|upload|include|send|add)\b",
        r"\bwithout (?:an?|the|any|your|its) (?:actual |accompanying )?(?:images?|pictures?|photos?|scans?|"
        rf"x ?-?rays?)(?:{_ENDS}| (?:i|we|it|there|{_GIVEN}|{_TO_LOOK})\b)",
        rf"\bin (?:the )?absence of (?:{_DET} )?{_IMAGE}{_ENDS}",
        rf"\b(?:message|question|prompt|conversation|request|post|input) {_DOES_NOT}(?: seem to| actually)? "
        rf"(?:contain|include|have|come with) (?:an?|any) {_IMAGE}",
        r"\bnone (?:is|was|were|has been) (?:attached|provided|uploaded|included|given|supplied|shared)\b",
        r"\b(?:nothing|anything) (?:is |was |has been |seems to be )?(?:attached|uploaded|enclosed)\b",
        r"\bmissing (?:image|picture|photo|scan|attachment|file)\b",
        r"\b(?:only|just) (?:the |a )?(?:text|words|written question)\b",
        r"(?:没有|没|未|无|并未|尚未|未能)(?:看到|见到|收到|提供|上传|附上|附带|附加|找到|发现)?(?:任何|相关|"
        r"这张|该|您的|实际的?|医学)*(?:图像|图片|影像|照片|附图)(?!异常|"
        r"上|中|学|显示|改变|证据|特征|表现)",
        r"(?:图像|图片|影像|照片|附件)(?:并未|未|没有|尚未|未能|没)(?:被|成功|能)?(?:提供|上传|附上|加载|"
        r"显示出来|收到|附带)",
        r"(?:图像|图片|影像|照片|附件)(?:似乎|可能)?(?:缺失|丢失|无法(?:显示|加载|打开|查看))",
    )
)

_COLOUR = (
    r"(?:(?:mid|light|dark|medium|jet|pitch)[- ])?(?:black(?!\W+(?:and\W+|n\W+)?white)|"
    r"gr[ea]y(?!\W?scale|\W?matter)|white(?! matter))"
)
_EMPTY = (
    r"(?:blank|empty|featureless|unreadable|illegible|corrupt(?:ed)?|(?:not|un) ?-?(?:readable|legible)|(?:un|"
    r"in)decipherable)"
)
_WHOLLY = (
    r"(?:completely|entirely|totally|wholly|fully|all|pure(?:ly)?|uniform(?:ly)?|solid(?:ly)?|just|only|simply|"
    r"nearly|almost|essentially|basically|virtually|plain|homogeneous(?:ly)?|an?|the|one|single|flat|monochrom\w+|"
    r"constant|large|featureless|blank|empty|mid|light|dark|medium|neutral|unbroken|of|shade|shades)"
)
_AREA = (
    r"(?:image|picture|photo|square|rectangle|canvas|field|screen|box|block|frame|panel|page|sheet|background|slide|"
    r"scan|x ?-?ray|radiograph|colou?r|shade|tone)\b(?! (?:with(?! no)|containing|behind|between|around)\b)"
)
_SHOWS = (
    r"(?:(?:just|only|simply|merely) )?(?:shows?|contains?|consists? of|displays?|depicts?|presents?|is|was|"
    r"appears? (?:to be|as)|seems? to be|looks? like)(?: (?:only|just|merely|simply|nothing but|nothing more than|"
    r"little more than))?"
)
_SEEN_AS = (
    rf"(?:(?:{_THE_IMAGE}|\bit|\bthis|\bthat) {_SHOWS}|\bits|\b(?:see|see is|there is|theres|given)(?: only| just)?)"
)
_VISIBLE = (
    r"(?:visible|discernible|identifiable|recogni[sz]able|distinguishable|anatomic(?:al)?|usable|meaningful|visual|"
    r"interpretable|readable|diagnostic|image|useful)"
)
_CONTENT = (
    rf"(?:(?:{_VISIBLE},? (?:or |and )?)+(?:contents?|information|anatomy|details?|data|structures?|features?|"
    r"objects?|elements?|landmarks?)|contents?|anatomy)\b(?! (?:of|suggest\w*|indicat\w+|to suggest|consistent)\b)"
)
_IN_THE_IMAGE = rf"(?:in|on|within|from) (?:{_DET} )?{_IMAGE}"
SHOWS_NOTHING = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\bimages? (?:is |are )?(?:all|completely|entirely|totally) (?:{_COLOUR}|{_EMPTY})\b|\bits blank\b|"
        r"\bgarbled\b",
        r"\b(?:image|file|data|picture)(?: file)? (?:(?:is|looks?|seems?|appears?) )?(?:to be )?corrupt(?:ed)?\b",
        rf"\b(?:plain|flat|solid|uniform|single)(?: {_WHOLLY})* {_COLOUR}(?: {_COLOUR})? (?:image|picture|rectangle|"
        r"square|tone|field|canvas)\b",
        rf"\b(?:just|only|nothing but|all) {_COLOUR} pixels\b|\bsame (?:pixel )?value (?:everywhere|throughout)\b",
        r"\b(?:all|entirely|just|only) (?:one|a single|the same) colou?r\b",
        rf"{_THE_IMAGE} (?:is|appears|seems|looks)(?: to be)?(?: {_ADVERB})? uniform(?:{_ENDS}| and\b)",
        rf"(?:{_THE_IMAGE}|\bit) (?:has|shows?|contains?) no (?:structures?|features?|contents?|details?){_ENDS}",
        r"(?:图像|图片|影像|照片|画面|图中)[^,]{0,8}(?:均匀的?|单一的?|一片)(?:灰|黑|白|漆黑)|(?:图像|图片|"
        r"影像|照片)[^,]{0,6}损坏",
        rf"{_THE_IMAGE} (?:{_BE}|is|comes? up|came up|came through|turns out)(?: to be| as)?(?: {_ADVERB})*(?: "
        rf"(?:{_WHOLLY}))* (?:{_EMPTY}|{_COLOUR})(?:,? (?:and |or )?(?:{_WHOLLY}|{_EMPTY}|{_COLOUR}))*(?:{_ENDS}| "
        r"(?:with (?:no|nothing)|without|and|so|but|i|because|since|which|throughout)\b)",
        rf"{_THE_IMAGE} {_BE} (?:completely|entirely|totally|all) dark{_ENDS}",
        rf"\bit (?:is|seems|appears)(?: to be)?(?: {_ADVERB})? blank\b|\b(?:it is|its) all {_COLOUR}{_ENDS}|"
        r"\bblacked out\b",
        rf"{_SEEN_AS}(?: {_WHOLLY})* (?:{_COLOUR}|{_EMPTY}|uniform|solid|monochrom\w+)(?: (?:and "
        rf")?(?:{_WHOLLY}|{_COLOUR}|{_EMPTY}))* {_AREA}",
        rf"\b(?:uniform|solid|featureless|blank|empty)(?: (?:{_WHOLLY}|{_COLOUR}))* (?:square|rectangle|canvas|image|"
        r"picture|screen)\b",
        rf"\b(?:is|only|just|entirely|shows|contains)(?: an?)? (?:uniform|solid|single|one)(?: (?:{_WHOLLY}))* "
        rf"(?:colou?r|shade of {_COLOUR})\b",
        rf"\b(?:all|only thing|what) i (?:can )?see is(?: {_WHOLLY})* (?:{_COLOUR}|{_EMPTY})\b",
        r"\b(?:but|only|just)(?: an?)? dark (?:rectangle|square|screen)\b|\bplaceholder(?: image)?\b",
        r"\b(?:nothing|anything) (?:\w+ ){0,3}?(?:but|except(?: for)?|other than|apart from|besides|"
        rf"beyond)(?: {_WHOLLY})* (?:{_COLOUR}|{_EMPTY}|uniform|noise|static|darkness)\b",
        rf"{_THE_IMAGE} (?:shows?|contains?|depicts?|displays?) (?:absolutely |literally )?nothing(?:{_ENDS}| (?:at "
        r"all|visible|recogni\w+|discernible|meaningful|so|and)\b)",
        r"\b(?:theres|there is|i (?:can )?see) (?:absolutely |literally )?nothing (?:visible|at all|to "
        rf"see|{_IN_THE_IMAGE})(?:{_ENDS}| (?:but|except|and|so|{_IN_THE_IMAGE})\b)",
        r"\bnothing (?:at all )?(?:is|can be|could be|was) (?:visible|seen|discerned|made out|shown|displayed|"
        rf"depicted|recogni[sz]ed)(?: at all)?(?:{_ENDS}| {_IN_THE_IMAGE}| so| and)",
        rf"\b(?:{CANNOT}|do not|dont)(?: {_ADVERB})? (?:see|make out|discern|recogni[sz]e|distinguish) (?:anything|"
        rf"any {_CONTENT})(?: at all| meaningful| recogni[sz]able)?(?:{_ENDS}| {_IN_THE_IMAGE})",
        rf"\b(?:no|devoid of|lacks?|lacking|without)(?: any)? {_CONTENT}",
        rf"{_THE_IMAGE} {_DOES_NOT}(?: seem to| appear to| actually)? (?:show|contain|display|depict|include|have|"
        rf"provide) (?:any {_CONTENT}|anything(?:{_ENDS}| (?:at all|visible|recogni\w+|meaningful)\b))",
        rf"{_THE_IMAGE}(?: quality| resolution)? {_BE} (?:far |much |simply )?too (?:\w+ ){{0,2}}?(?:dark|bright|low|"
        r"poor|small|noisy|grainy|faint|unclear|distorted|blurr\w+|fuzzy|pixelated|degraded|over\w+|under\w+)(?: "
        r"\w+){0,2}? (?:to|for me to) (?:see|make|read|interpret|tell|discern|identify|determine|assess|"
        r"analy[sz]e|evaluate|recogni[sz]e|distinguish|be|show|answer|judge)",
        rf"{_THE_IMAGE} {_SHOWS} (?:entirely |of |random |pure |only |just |a )*(?:random|pure|only|just|but) (?:\w+ "
        r")?(?:noise|static)\b",
        r"\bblank (?:\w+ ){1,2}(?:image|picture|scan)\b",
        r"\b(?:blank|all[- ]black|all[- ]gr[ea]y|all[- ]white) (?:images?|pictures?|photo|scan|x ?-?ray|slide|"
        r"screen|page|frame)",
        rf"\b(?:all|every)(?: of)?(?: the)? pixels?\b(?! (?:of|in|within|inside|over) (?!(?:{_DET} )?{_IMAGE}))",
        r"(?:图像|图片|影像|照片|画面)(?:上|中|里)?(?:似乎|看起来|好像|显示|几乎|完全|整个|全部|只)*(?:是|为|"
        r"呈)?(?:一片|一张|完全|全部)?(?:空白|全黑|纯黑|黑屏|全白|纯白|"
        r"纯色|纯灰|全灰|灰色|黑色|白色|空的|模糊不清|无法辨认)(?!区域|部分|的?病|的?阴影|的?结节|质)",
        r"(?:空白|纯色|纯黑|纯灰|纯白|全黑|全灰)(?:色)?的?(?:图像|图片|影像|照片|画面)",
        r"(?:图像|图片|影像|照片|画面)(?:上|中|里)?(?:没有|无)(?:任何|可见的?)*(?:内容|信息|可见|东西)",
    )
)

_QUESTION = r"(?:question|query|prompt|stem)"
_ASKED = rf"(?:{_QUESTION}|request|description|text|asked|mentioned|described)\b"
_MATCH = r"(?:match|fit|correspond|relate|align|belong|pertain|agree|go with)(?:es|s|ed|ing)?(?: to| with)?"
_ASKS = (
    r"(?:presupposes|describes|states|says|specifies|expects|asks?|asked|is|"
    r"refers?|mentions?|concerns?|pertains?|relates|assumes|talks|seems|appears)\b"
)
_UNRELATED = r"(?:unrelated|irrelevant|mismatched|not (?:\w+ly )?(?:related|relevant|pertinent|applicable))\b"
_OTHER = (
    r"(?:different|another|wrong) (?:(?:body|anatomical) (?:part|region|area|structure|site)|part of the body|organ|"
    r"patient|anatomy|(?:imaging )?modality|(?:type|kind) of (?:image|scan)|specimen)\b"
)
DOES_NOT_FIT = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:{_QUESTION} {_ASKS}|you (?:ask|asked|are asking|want to know|describe|mention|"
        rf"expect)\b).{{0,100}}?(?:\b(?:but|whereas|however|yet|while)|,) (?:what i see|here is|(?:{_DET} "
        rf")?{_IMAGE}{_WHICH_AFTER}) (?:shows?|is|depicts?|displays?|contains?|an?|chest)\b(?! (?:no|none|not|normal|"
        r"clear)\b)",
        rf"{_THE_IMAGE}.{{0,100}}?\b(?:but|while|whereas|however|yet|although|though),? you (?:ask|asked|are asking|"
        r"want to know)\b",
        r"\byou (?:describe|call|label|refer to|state|say) (?:this|it|that)\b.{0,50}?(?:\bbut|,) (?:this|it|that|"
        r"its|this is|it is) (?:is |clearly )?(?:actually|really|in fact|clearly)\b",
        r"\b(?:not|rather than|instead of) (?:an?|the) (?:[\w-]+ ){1,6}?(?:(?:that |which )?(?:you|(?:the|"
        rf"your) {_QUESTION})(?: {_ADVERB})? (?:ask|mention|describe|state|refer|specif)\w*|in (?:the|"
        rf"your) {_QUESTION})\b",
        rf"\bnot (?:an?|the) (?:[\w-]+ ){{1,5}}?as (?:you|the {_QUESTION}|your {_QUESTION}|stated|described|claimed|"
        r"mentioned)\b",
        r"\b(?:not|isnt|wasnt)(?: of| from)? the (?:organ|body part|region|structure|area|modality)\b.{0,15}?(?:ask|"
        r"mention|question|describ)",
        r"\b(?:these|they|the two) (?:do not|dont) (?:seem to )?(?:match|go together|fit|correspond)\b",
        r"\b(?:question|image|prompt)[ /-]+(?:question|image|prompt) mismatch\b|\bnot the (?:right|correct) "
        r"(?:image|picture|scan)\b",
        rf"{_THE_IMAGE} {_DOES_NOT} (?:fit|match){_ENDS}|\b{_OTHER} entirely\b",
        r"[与和跟](?:所问的?)?(?:问题|题目|题干)[^,]{0,8}(?:不符|不匹配|不一致|无关|不相关)|图文不符|"
        r"错误的(?:图像|图片|影像|照片)",
        r"(?:题目|问题|题干)[^。]{0,20}但[^。]{0,6}(?:图|这)[^。]{0,6}是|而(?:不是|非)(?:您|你|题目|"
        r"问题)所?[说问述提]",
        rf"{_THE_IMAGE}(?: and the {_QUESTION})? {_DOES_NOT}(?: seem to| appear to| {_ADVERB})? {_MATCH} ?(?:(?:the|"
        rf"your|this|what)(?: \w+){{0,4}}? {_ASKED}|each other)",
        rf"\b{_QUESTION}(?: and the image)?(?: \w+){{0,6}}? {_DOES_NOT}(?: seem to| appear to| {_ADVERB})? "
        rf"(?:{_MATCH}|apply|refer) ?(?:to )?(?:(?:{_DET} )?{_IMAGE}|each other|what is shown)",
        rf"\b(?:mismatch|discrepancy|inconsistency|disconnect|contradiction)\b.{{0,60}}\b{_QUESTION}\b",
        rf"\b(?:which|that|it|this|and) {_DOES_NOT}(?: {_ADVERB})? {_MATCH} (?:the|your|this)(?: "
        rf"\w+){{0,3}}? {_QUESTION}\b",
        rf"\bimage and (?:the|your) {_QUESTION} {_DOES_NOT} (?:seem to )?(?:{_MATCH}|go together)",
        r"\b(?:inconsistent|incompatible|unrelated|irrelevant) (?:with|to) (?:the|your|this)(?: "
        rf"\w+){{0,3}}? {_QUESTION}\b",
        rf"{_THE_IMAGE}(?: \w+){{0,3}}? {_BE}(?: to be)?(?: {_ADVERB})? {_UNRELATED}",
        rf"(?:{_THE_IMAGE}|\b{_QUESTION}) {_DOES_NOT} (?:seem|appear|look)(?: to be)?(?: {_ADVERB})? (?:related|"
        r"relevant|pertinent|applicable)\b",
        rf"\b{_QUESTION} (?:about|regarding|concerning|on) .{{0,50}}?(?:(?:cannot|can not) be answered|makes no "
        r"sense|does not make sense)",
        rf"\b{_QUESTION}(?: \w+){{0,6}}? {_BE}(?: to be)?(?: {_ADVERB})? (?:{_UNRELATED}|(?:about|for) (?:a "
        r"different|another))",
        r"\b(?:has|have|had|having) nothing to do with (?:the|your|this)(?: \w+)? (?:question|image|picture|query)",
        rf"\b(?:wrong|incorrect|unrelated|irrelevant|mismatched) {_IMAGE}",
        rf"\b{_HAND_OVER} (?:me )?(?:the|an?) (?:correct|right|matching|appropriate|relevant) {_IMAGE}",
        rf"\b{_IMAGE}.{{0,60}}? {_OTHER}",
        rf"\b{_IMAGE}.{{0,60}}?\b(?:not|than|from|instead of) (?:the (?:one|organ|body part|region|modality|area|"
        rf"structure)|what)(?: that)?(?: is| was| you| the {_QUESTION})? (?:asked|asks|mentioned|named|described|in "
        rf"the {_QUESTION})",
        rf"{_THE_IMAGE}.{{0,100}}?\b(?:but|while|whereas|however|yet|although|though),? (?:the|"
        rf"your) {_QUESTION} {_ASKS}",
        rf"\b(?:{_QUESTION} {_ASKS}|you (?:ask|asked|are asking)\b).{{0,100}}?\b(?:but|whereas|however|yet),? (?:the|"
        rf"this) {_IMAGE}{_WHICH_AFTER} (?:shows?|is|depicts?|appears|displays?)\b(?! (?:no|none|not)\b)",
        rf"\b(?:while|although|whereas|though) (?:the|your) {_QUESTION} {_ASKS}.{{0,100}}?, (?:the|"
        rf"this) {_IMAGE}{_WHICH_AFTER} (?:shows?|is|depicts?|appears|displays?)\b(?! (?:no|none|not)\b)",
        r"(?:图像|图片|影像|照片)(?:内容)?(?:与|和|跟)[^,]{0,6}(?:问题|题目|提问)[^,]{0,4}(?:不符|不匹配|"
        r"不一致|无关|不相关|不对应|没有关系)",
        r"(?:问题|题目|提问)(?:与|和|跟)[^,]{0,6}(?:图像|图片|影像|照片)[^,]{0,4}(?:不符|不匹配|不一致|无关|"
        r"不相关|不对应|没有关系)",
    )
)
_SHOWS_A = (
    r"(?:is|was|shows?|depicts?|displays?|appears to be|seems to be|looks like|contains?|features?)(?: (?:clearly|"
    r"actually|only|just))?(?: (?:of|from))?(?: (?:an?|the))?(?: (?!(?:in|on|at|of|to|with|within|near|"
    rf"from)\b)[\w-]+){{0,2}}? (?:{_A_KIND_OF_IMAGE}|{BODY})(?: (?:image |scan )?of {BODY})?"
)
_SUBJECT = rf"(?:{_THE_IMAGE}|\b(?:this|it|that))"
_A_THING = rf"(?:(?:of |from )?(?:an? |the )?{_A_KIND_OF_IMAGE}|(?:of |from |an? ){BODY}(?: tissue| structures?)?)"
_A_PART = rf"(?:{_A_THING}|{BODY}(?: tissue| structures?)?)"
IS_ANOTHER = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:(?:{_SUBJECT}|\bwhat\b.{{0,20}}?) (?:is|was|shows?|depicts?|contains?|displays?|seems|appears|looks)\b|"
        rf"\bi see\b).{{0,60}}?(?:,| and| but)? (?:not|rather than|instead of) (?:an? |the ){_A_KIND_OF_IMAGE}(?! "
        r"(?:findings?|signs?)\b)",
        rf"\bi see .{{0,40}}?, not (?:an?|the) {BODY}",
        rf"{_THE_IMAGE} (?:isnt|is not|wasnt|was not)(?: {_ADVERB})? (?:of |from )?{BODY}",
        r"(?:这|图像|图片|影像|照片)[^。]{0,20}(?:而不是|而非|并非)[^,]{0,12}(?:ct|mri|x光|超声|核磁|图像|图片|"
        r"影像|照片)",
        rf"{_SUBJECT} (?:(?:is|was)(?: {_ADVERB})? not|isnt|wasnt|(?:does not|doesnt)(?: {_ADVERB})? (?:appear|seem|"
        rf"look)(?: to be)?(?: like)?|appears not to be)(?: {_ADVERB})? {_A_THING}",
        rf"{_THE_IMAGE} {_DOES_NOT}(?: seem to| appear to| {_ADVERB})? (?:show|contain|depict|include|display|cover|"
        rf"feature|capture) {_A_PART}(?:{_ENDS}| (?:at all|but|so|because|since|which|instead)\b)",
        rf"{_SUBJECT} (?:is|shows|appears to be) (?:actually|in fact) (?:an? |the )?{_A_KIND_OF_IMAGE}",
        rf"{_SUBJECT} {_SHOWS_A}.{{0,20}}? and {_DOES_NOT} (?:show|contain|depict|include) {_A_PART}{_ENDS}",
        rf"{_THE_IMAGE} {_DOES_NOT} (?:show|contain|provide|give|include) (?:any )?information (?:about|on|"
        rf"regarding) {BODY}",
        rf"{_THE_IMAGE} {_DOES_NOT} (?:show|contain|depict|include) (?:the|any) (?:structure|organ|region|area|body "
        r"part|anatomy)(?: that (?:is|was))? (?:in question|asked|mentioned|referred|of interest)",
        rf"{_SUBJECT} {_SHOWS_A}[^,]{{0,30}},? (?:so|therefore|thus|hence)\b.{{0,20}}? {BODY} (?:\w+ "
        rf"){{0,2}}?{CANNOT}",
        rf"\bcannot be used (?:to|for) .{{0,40}}?(?:{_QUESTION}\b|{BODY})",
        rf"\b{CANNOT}.{{0,50}}?(?:{_QUESTION}|{BODY}).{{0,30}}? (?:because|since|as|given that) {_SUBJECT} {_SHOWS_A}",
        rf"\b{BODY} (?:\w+ ){{0,3}}?{CANNOT}.{{0,40}}? (?:because|since|as|given that) {_SUBJECT} {_SHOWS_A}",
        rf"\b(?:there is no|theres no|no) {BODY}(?: tissue)?(?: (?:is|are|can be))?(?: (?:visible|seen|shown|present|"
        rf"depicted))? {_IN_THE_IMAGE}",
        rf"{_SUBJECT} {_SHOWS_A},? (?:and |but )?(?:not|rather than|instead of|as opposed to) {_A_PART}(?:{_ENDS}| "
        r"(?:that|which|as|mentioned|so)\b)",
        rf"{_SUBJECT} {_SHOWS_A}[^,]{{0,30}},? (?:so|therefore|thus|hence|which means|and)?,?.{{0,40}}?\b(?:{CANNOT}|"
        rf"not possible|impossible|no way)\b.{{0,60}}? (?:{BODY}|{_A_KIND_OF_IMAGE})",
        rf"{_SUBJECT} {_SHOWS_A}[^,]{{0,30}},.{{0,20}}?\b{_QUESTION}\b.{{0,60}}?\b(?:cannot|cant|can not|not|"
        r"impossible)\b",
        r"(?:图像|图片|影像|照片|这)(?:中|里|显示)?(?:的)?(?:并)?不是[^,]{0,10}(?:ct|mri|x光片?|x线片?|超声|"
        r"核磁|图像|图片|影像|照片)",
    )
)
"""Phrases that say the image is of another kind or part than one they name; they are an answer if that was asked."""
