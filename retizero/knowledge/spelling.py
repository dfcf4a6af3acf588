"""One spelling for every way a term is written: case, width, hyphens, dialect, plural, Chinese script.

The folded form is a key for comparison only and is never shown. Folding may be rough ("oe" becomes "e"
everywhere) as long as both sides of a comparison pass through it; ``validation`` reports any two entries
whose terms fold to the same key.
"""

import re
import unicodedata
from functools import lru_cache

# Traditional (and variant) characters of terms used in ophthalmology, each followed by its simplified form.
_PAIRS = (
    "視视網网脈脉動动靜静絡络變变點点樣样壞坏癥症癌癌損损傷伤葉叶黃黄體体狀状節节發发覺觉區区環环紋纹裂裂膠胶鬆松"
    "離离鞏巩纖纤維维質质顯显擴扩張张彎弯曲曲縮缩襲袭養养淺浅層层級级慢慢壓压糖糖尿尿繼继斷断圍围囊囊腫肿瘤瘤"
    "瘍疡癤疖膿脓積积後后遺遗傳传間间隔隔溝沟繭茧顱颅內内壓压頭头盤盘雙双側侧綜综徵征韋韦爾尔薩萨羅罗馬马東东"
    "達达凱凯倫伦貝贝賽赛鮑鲍溫温單单純纯皰疱疹疹結结核核組组織织漿浆菌菌絲丝絛绦蟲虫類类風风濕湿紅红斑斑關关"
    "紫紫藥药氯氯喹喹鏡镜檢检査查氣气體体矽硅術术鐳镭雷雷劑剂應应對对無无異异現现營营滲渗濾滤瀰弥漫漫髓髓鹼碱"
    "幹干濕湿萎萎縮缩絨绒鑽钻鐵铁銅铜賁贲門门齒齿鋸锯緣缘錐锥桿杆細细連连鎖锁隱隐顆颗齡龄嬰婴兒儿產产婦妇"
    "妊妊壞坏腦脑幾几種种轉转移移淚泪滿满燭烛凍冻貧贫細细膚肤線线麗丽島岛圓圆錢钱幣币鵝鹅臘腊蠟蜡雪雪徑径"
    "藍蓝夢梦覽览學学劉刘國国華华萬万與与個个來来為为這这還还進进過过遠远運运選选邊边錯错鈣钙鈉钠僅仅傾倾億亿"
    "優优勞劳協协厲厉參参吳吴喪丧嚴严團团圖图場场塊块壯壮聲声處处備备夾夹奪夺實实寬宽寶宝導导屬属嶺岭帶带幹干"
    "庫库廣广彈弹復复慮虑懷怀態态憂忧懸悬戰战擊击據据擋挡數数斂敛書书會会條条構构標标樹树橫横歐欧歲岁歷历殘残"
    "殼壳氫氢沒没況况減减測测準准滅灭滯滞潰溃濁浊瀋沈灣湾災灾燒烧爭争獨独獲获畫画療疗癢痒癱瘫皺皱盡尽監监瞭了"
    "碼码礙碍禦御稱称穩稳穿穿築筑簡简紀纪約约級级終终給给絕绝網网綠绿緊紧練练縫缝縱纵總总繞绕繩绳罰罚義义習习"
    "聯联聽听腎肾脫脱膽胆臟脏臨临舊旧艱艰莖茎藝艺蘭兰號号衛卫術术裏里補补裝装複复規规親亲觀观觸触訂订計计診诊"
    "評评試试詞词話话該该認认語语誤误說说調调論论諾诺證证識识護护讀读豐丰貓猫貯贮買买貼贴資资賓宾賴赖贅赘跡迹"
    "輕轻輻辐輪轮辦办遲迟鄰邻醫医釋释鋼钢錄录長长閉闭開开閱阅闊阔陰阴陽阳際际隨随險险雜杂難难雲云電电霧雾靈灵"
    "頂顶項项順顺預预頸颈頻频題题額额願愿顏颜飛飞飲饮飽饱餘余駝驼驗验骨骨髮发鬥斗魚鱼鳥鸟鹽盐麥麦麻麻黏粘黴霉齊齐"
)
_SIMPLIFIED = str.maketrans(dict(zip(_PAIRS[::2], _PAIRS[1::2], strict=True)))

# Chinese terms for one thing, folded to one of them; the particles 性 and 的 distinguish no entries.
_CHINESE_TERMS = (
    ("视神经乳头", "视盘"),
    ("视神经盘", "视盘"),
    ("视乳头", "视盘"),
    ("视乳突", "视盘"),
    ("老年性黄斑", "年龄相关黄斑"),
    ("老年黄斑", "年龄相关黄斑"),
    ("年龄相关性", "年龄相关"),
    ("闭塞", "阻塞"),
    ("视网模", "视网膜"),
    ("黄班", "黄斑"),
    ("痿缩", "萎缩"),
    ("综合症", "综合征"),
    ("性", ""),
    ("的", ""),
)

_POSSESSIVE = re.compile(r"(?<=\w)['’`´]s?\b")
_WORDS = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]+")
_STOP = frozenset({"of", "the", "a", "an"})
_IRREGULAR = {
    "disk": "disc",
    "disks": "disc",
    "nevi": "nevus",
    "foci": "focus",
    "grey": "gray",
    "artefact": "artifact",
    "artefacts": "artifact",
    "pathological": "pathologic",
    "leucocoria": "leukocoria",
    "leukokoria": "leukocoria",
    "sulphate": "sulfate",
    "neovascularisation": "neovascularization",
    "neovascularisations": "neovascularization",
}


@lru_cache(maxsize=50_000)
def fold_word(word: str) -> str:
    """Fold one lower-case Latin word: British to American spelling, plural to singular."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 3:
        word = word.replace("ae", "e").replace("oe", "e")
        word = re.sub(r"our(?=s?$|ed$|less$)", "or", word)
        word = re.sub(r"(?<=[bdt])res?$", "er", word)
        word = re.sub(r"is(?=ation|ed$|ing$|e$)", "iz", word)
        word = word.replace("sulph", "sulf").replace("leuco", "leuko")
        if word.endswith("ies") and len(word) > 5:
            word = word[:-3] + "y"
        elif word.endswith("s") and not word.endswith(("ss", "us", "is", "as", "os")):
            word = word[:-1]
    return _IRREGULAR.get(word, word)


def fold_words(text: str) -> tuple[str, ...]:
    """The folded words of a text: Latin words, numbers and runs of Chinese characters, without articles.

    Hyphens and other signs separate words; "non" is joined to the word that follows.
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    text = text.translate(_SIMPLIFIED)
    text = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    text = _POSSESSIVE.sub("", text)
    for written, folded in _CHINESE_TERMS:
        text = text.replace(written, folded)
    words: list[str] = []
    joining = ""
    for word in _WORDS.findall(text):
        if word in _STOP and not joining:
            continue
        if word in {"non", "sub"}:
            joining = word
            continue
        words.append(fold_word(joining + word) if word.isascii() else joining + word)
        joining = ""
    if joining:
        words.append(joining)
    return tuple(words)


def key(text: str) -> str:
    """A term's folded words without spaces ("Cotton-wool spots" and "cottonwool spot" agree)."""
    return "".join(fold_words(text))


def bag(words: tuple[str, ...]) -> str:
    """A key that ignores word order ("retinopathy, hypertensive" and "hypertensive retinopathy" agree)."""
    return " ".join(sorted(words))


def is_chinese(word: str) -> bool:
    """Whether a folded word is a run of Chinese characters."""
    return bool(word) and not word.isascii()
