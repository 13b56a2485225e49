"""Words and phrases of prompts in English and Chinese: per label, and descriptions that mean no label."""

from __future__ import annotations

from dataclasses import dataclass


def _list(text: str) -> tuple[str, ...]:
    """Entries between commas or line ends, without blanks around them."""
    return tuple(entry.strip() for entry in text.replace("\n", ",").split(",") if entry.strip())


@dataclass(frozen=True)
class Mood:
    """How an expression is said: adjectives (``a happy woman``), adverbs (``speaks happily``), nouns, whole phrases."""

    adjectives: tuple[str, ...]
    adverbs: tuple[str, ...]
    nouns: tuple[str, ...]
    phrases: tuple[str, ...]


@dataclass(frozen=True)
class Lighting:
    """How a light is said: things that shine (``lit by sunlight``), times (``at noon``), adjectives, phrases."""

    lights: tuple[str, ...]
    times: tuple[str, ...]
    adjectives: tuple[str, ...]
    phrases: tuple[str, ...]


ENGLISH_MOODS = {
    "neutral": Mood(
        _list(
            """neutral, calm, serious, composed, relaxed, expressionless, unemotional, sober
earnest, businesslike"""
        ),
        _list("calmly, quietly, seriously, evenly, plainly, steadily, neutrally, matter-of-factly, soberly"),
        _list("calm, composure, seriousness, neutrality, calmness, concentration"),
        _list(
            """with a straight face, without any emotion, without smiling, no smile
with a blank expression, with a still face, showing no emotion, a plain expression
keeping a poker face, with a resting face, in an even tone, with an ordinary expression
speaks like a news reader
does not smile, stays calm, keeps a straight face, remains neutral, not happy and not sad
no particular feeling, a calm face"""
        ),
    ),
    "happy": Mood(
        _list(
            """happy, cheerful, joyful, smiling, delighted, glad, merry, friendly, radiant, beaming
laughing, overjoyed, pleased, grinning, jolly, content, amused, joyous, elated, enthusiastic
good-humoured, lively, gleeful"""
        ),
        _list(
            """happily, cheerfully, joyfully, merrily, gladly, brightly, warmly, with a smile, with a grin
enthusiastically"""
        ),
        _list(
            """happiness, joy, delight, cheerfulness, laughter, amusement, gladness, bliss, good humour
pleasure"""
        ),
        _list(
            """smiles at the camera, with a big smile, a warm smile on the face, a wide grin
can't stop smiling, in a good mood, laughs while talking, in high spirits
eyes sparkling with joy, having fun, the corners of the mouth raised
smiling from ear to ear, smiles brightly, a gentle smile, a friendly smile
bursting with joy, giggling, looks as if it were a birthday, celebrating good news
smiles and laughs
smiles, laughs, grins, is smiling, smiling, laughing, smiles warmly, a happy smile, beams with joy"""
        ),
    ),
    "sad": Mood(
        _list(
            """sad, unhappy, sorrowful, melancholy, gloomy, depressed, tearful, heartbroken, mournful
downcast, miserable, crying, dejected, grieving, weeping, disappointed, hopeless, lonely
despondent, regretful"""
        ),
        _list(
            """sadly, sorrowfully, tearfully, gloomily, mournfully, unhappily, with a sigh, miserably
regretfully"""
        ),
        _list(
            """sadness, sorrow, grief, melancholy, despair, gloom, heartbreak, regret, disappointment
misery"""
        ),
        _list(
            """close to tears, with tears in the eyes, about to cry, cries while talking
the corners of the mouth turned down, in low spirits, feeling down, with a heavy heart
mourning a friend, with a trembling lip, sobs quietly, a sad look
a tear runs down the cheek, telling bad news, eyes full of tears, cries softly
cries, weeps, is crying, crying, sheds tears, a tear on the cheek, in tears, looks down sadly
a sad face, sobbing"""
        ),
    ),
    "angry": Mood(
        _list(
            """angry, furious, mad, annoyed, irritated, enraged, outraged, cross, grumpy, hostile, scowling
fuming, indignant, raging, bad-tempered, aggressive, irate, frowning, glaring"""
        ),
        _list(
            """angrily, furiously, crossly, fiercely, with a frown, with a scowl, irritably, indignantly
aggressively"""
        ),
        _list("anger, rage, fury, annoyance, wrath, irritation, indignation, hostility, outrage"),
        _list(
            """shouts at the camera, with furrowed brows, loses temper, glares at the viewer
brows drawn together, seething, in a rage, in a bad temper, an angry look, yelling with rage
clenching the teeth, scolds the audience, frowns deeply, boiling with anger
complaining loudly, with an angry frown
shouts, yells, frowns, scowls, is fuming, shouting, an angry face, frowning, shakes with rage"""
        ),
    ),
    "surprised": Mood(
        _list(
            """surprised, amazed, astonished, shocked, startled, stunned, astounded, wide-eyed, bewildered
flabbergasted, dumbfounded, thunderstruck, taken aback"""
        ),
        _list(
            """in surprise, in amazement, in shock, with raised eyebrows, with wide eyes, in disbelief
in astonishment"""
        ),
        _list("surprise, amazement, astonishment, shock, disbelief, wonder, bewilderment"),
        _list(
            """eyebrows raised, eyes wide open, the jaw dropped, can hardly believe it, gasping
a surprised look, mouth open in surprise, hears unexpected news, with an oh on the lips
staring in surprise, eyes like saucers, did not expect this, caught by surprise
a look of shock, blinking in disbelief
gasps, stares in shock, raises the eyebrows, is speechless, a surprised face, with an open mouth
full of wonder"""
        ),
    ),
}

ENGLISH_LIGHTS = {
    "day": Lighting(
        _list(
            """daylight, sunlight, sunshine, morning light, natural daylight, the morning sun
the midday sun, bright sunlight"""
        ),
        _list("noon, midday, daytime, ten in the morning, breakfast time"),
        _list("sunny, daylit, sunlit, bright sunny"),
        _list(
            """on a sunny day, in the daytime, on a bright morning, during the day, on a clear day
under a blue sky, by day, in broad daylight, with sun through the window
on a summer morning, early in the morning, on a cloudless day"""
        ),
    ),
    "evening": Lighting(
        _list(
            """evening light, the sunset, the setting sun, golden evening light, the glow of dusk, twilight
warm evening sun, the golden hour, the last rays of the sun, sunset light, the evening sun
an orange sunset"""
        ),
        _list("dusk, sunset, twilight, sundown, nightfall, golden hour, seven in the evening"),
        _list("evening, twilight, sunset"),
        _list(
            """in the evening, as the sun goes down, on a warm evening, on a summer evening
after work in the evening, the sky turns orange, an evening mood, with a red evening sky
towards evening, at the end of the day, this evening"""
        ),
    ),
    "night": Lighting(
        _list(
            """moonlight, starlight, the moon, the night sky, a street lamp at night, the stars
faint moonlight, city lights at night, neon signs at night, the full moon"""
        ),
        _list("night, midnight, nighttime, the dead of night, two in the morning, bedtime"),
        _list("dark, nocturnal, moonlit, pitch-dark, night-time"),
        _list(
            """late at night, in the dark, under the stars, on a dark night, after dark
in the middle of the night, under a starry sky, in darkness, on a moonless night
while the city sleeps, with the night outside, tonight, in the small hours"""
        ),
    ),
    "studio": Lighting(
        _list(
            """studio light, studio lighting, softboxes, spotlights, professional lighting, a ring light
three-point lighting, stage lights, a key light and a fill light, studio lamps, a softbox
soft studio light, even studio light"""
        ),
        _list("a studio, a photo studio, a television studio, a recording studio, a film set"),
        _list("studio, professional studio, studio-lit"),
        _list(
            """in a studio, in a photo studio, in a television studio, in front of a plain studio backdrop
on a film set, studio portrait, with a seamless backdrop, in a recording studio
in a news studio, studio shot, under the lamps of a studio"""
        ),
    ),
}

CHINESE_MOODS = {
    "neutral": Mood(
        _list("平静的, 严肃的, 中性的, 沉稳的, 镇定的, 认真的, 淡定的, 面无表情的, 冷静的"),
        _list("平静地, 严肃地, 沉稳地, 认真地, 冷静地, 淡淡地, 镇定地"),
        _list("平静, 严肃, 自然, 沉稳, 中性, 冷静, 镇定"),
        _list(
            """面无表情, 表情自然, 没有笑容, 不带情绪, 神情平淡, 一脸严肃, 不动声色, 像新闻主播一样播报
语气平稳, 不苟言笑
没有表情, 保持镇定, 平静的脸"""
        ),
    ),
    "happy": Mood(
        _list(
            """开心的, 高兴的, 快乐的, 微笑的, 愉快的, 欢乐的, 笑容满面的, 兴高采烈的, 喜悦的, 热情的
大笑的, 阳光开朗的, 幸福的"""
        ),
        _list("开心地, 高兴地, 快乐地, 微笑着, 愉快地, 笑着, 兴高采烈地, 热情地, 欢快地, 幸福地"),
        _list("开心, 高兴, 快乐, 喜悦, 愉快, 幸福, 欢乐, 欢喜"),
        _list(
            """面带微笑, 露出灿烂的笑容, 笑得很甜, 满脸笑容, 心情很好, 嘴角上扬, 笑个不停, 眉开眼笑
喜气洋洋, 乐呵呵, 哈哈大笑, 脸上挂着笑, 眼里充满笑意
笑了, 微笑, 在笑, 微微一笑, 笑容, 开怀大笑"""
        ),
    ),
    "sad": Mood(
        _list(
            """悲伤的, 难过的, 伤心的, 忧郁的, 沮丧的, 哭泣的, 痛苦的, 失落的, 忧伤的, 绝望的, 哀伤的
失望的"""
        ),
        _list("悲伤地, 难过地, 伤心地, 忧郁地, 沮丧地, 哭着, 失落地, 忧伤地, 流着泪"),
        _list("悲伤, 难过, 伤心, 忧郁, 沮丧, 痛苦, 忧伤, 失望, 哀伤"),
        _list(
            """眼含泪水, 快要哭了, 泪流满面, 嘴角下垂, 愁眉苦脸, 情绪低落, 心情沉重, 哽咽着说话, 泪水打转
垂头丧气, 闷闷不乐, 心都碎了
哭了, 在哭, 流泪, 哭泣, 眼泪, 叹气"""
        ),
    ),
    "angry": Mood(
        _list("生气的, 愤怒的, 恼火的, 暴怒的, 气愤的, 凶狠的, 发火的, 不满的, 恼怒的, 怒气冲冲的"),
        _list("生气地, 愤怒地, 恼火地, 气愤地, 怒气冲冲地, 大声斥责着, 恼怒地, 凶狠地"),
        _list("愤怒, 生气, 怒火, 气愤, 恼火, 不满, 恼怒"),
        _list(
            """皱着眉头, 怒目而视, 横眉竖眼, 大发脾气, 火冒三丈, 咬牙切齿, 对着镜头怒吼, 怒不可遏, 气得发抖
眉头紧锁, 满脸怒容
发怒, 怒吼, 在吼叫, 大喊大叫, 斥责, 瞪着镜头"""
        ),
    ),
    "surprised": Mood(
        _list("惊讶的, 吃惊的, 震惊的, 惊奇的, 错愕的, 惊呆的, 诧异的, 惊愕的, 目瞪口呆的"),
        _list("惊讶地, 吃惊地, 震惊地, 惊奇地, 诧异地, 瞪大眼睛, 惊愕地"),
        _list("惊讶, 吃惊, 震惊, 惊奇, 诧异, 惊愕"),
        _list(
            """眼睛睁得大大的, 目瞪口呆, 大吃一惊, 不敢相信, 张大了嘴, 眉毛高高扬起, 一脸惊讶, 倒吸一口气
没想到会这样, 出乎意料
惊呼, 惊呆了, 张着嘴, 吓了一跳, 难以置信"""
        ),
    ),
}

CHINESE_LIGHTS = {
    "day": Lighting(
        _list("阳光, 日光, 晨光, 自然光, 明媚的阳光, 早晨的阳光, 正午的太阳, 明亮的日光"),
        _list("白天, 中午, 早晨, 上午, 正午, 清晨"),
        _list("阳光明媚的, 晴朗的, 白天的, 明媚的"),
        _list("阳光明媚, 晴空万里, 蓝天白云下, 大白天, 阳光透过窗户, 天气晴朗, 一个晴朗的早晨, 天刚亮"),
    ),
    "evening": Lighting(
        _list("夕阳, 晚霞, 黄昏的光线, 落日余晖, 傍晚的阳光, 夕阳的余晖, 金色的夕阳, 橙色的晚霞"),
        _list("傍晚, 黄昏, 日落时分, 晚霞时分, 太阳落山时"),
        _list("傍晚的, 黄昏的, 日落的, 夕阳下的"),
        _list("夕阳西下, 太阳快下山了, 天边一片晚霞, 暮色降临, 黄昏时刻, 夕阳染红天空, 天色渐晚, 傍晚的氛围"),
    ),
    "night": Lighting(
        _list("月光, 星光, 夜色, 夜晚的路灯, 月色, 夜空, 微弱的月光, 夜晚的霓虹灯"),
        _list("夜晚, 深夜, 半夜, 夜里, 午夜, 凌晨两点, 晚上"),
        _list("夜晚的, 漆黑的, 黑暗的, 深夜的, 月光下的"),
        _list("夜深人静, 星空下, 在黑暗中, 漆黑一片, 天已经黑了, 繁星满天, 月亮高挂, 夜幕笼罩, 伸手不见五指"),
    ),
    "studio": Lighting(
        _list("影棚灯光, 摄影棚灯光, 柔光箱, 聚光灯, 专业灯光, 环形灯, 舞台灯光, 棚拍布光, 演播室灯光"),
        _list("摄影棚里, 演播室里, 影棚里, 录音棚里, 直播间里"),
        _list("影棚的, 演播室的, 摄影棚的"),
        _list(
            """在摄影棚内, 在演播室, 棚拍, 影棚人像, 专业布光, 纯色影棚背景, 三点布光, 在电视台演播厅
演播室背景"""
        ),
    ),
}

# Descriptions that mean no label. Some share words with labels on purpose: dark hair is no night.
PERSONS = _list(
    """woman, man, girl, boy, person, young woman, old man, teacher, student, presenter, doctor
businessman, grandmother, lady, gentleman, teenager, scientist, singer, host, chef, nurse
cartoon character, avatar, anchor, middle-aged woman, streamer, salesperson, elf"""
)
HAIR = _list(
    """dark hair, long black hair, short blond hair, curly brown hair, red hair, grey hair
a ponytail, a bob haircut, a bald head, a neat moustache, a beard, glasses, sunglasses
freckles, big brown eyes, light brown hair, silver hair, dark skin, pale skin, golden hair
night-black hair, a fringe, blue eyes, round glasses, straight hair, bright orange hair"""
)
CLOTHES = _list(
    """a red sweater, a white shirt, a blue suit, a black coat, a green dress, a grey hoodie
a bright yellow shirt, a dark blue jacket, a striped T-shirt, a straw hat, a purple scarf
a tie, pearl earrings, a denim jacket, a light blue blouse, a sports jersey, a lab coat
a pink cardigan, a leather jacket, a golden necklace, a sun hat, moon-shaped earrings
a star pin"""
)
PLACES = _list(
    """in a kitchen, in an office, in front of a bookshelf, in a park, in a garden, by the sea
in a classroom, at a desk, in a cafe, in front of a green wall, with a simple background
in a living room, in the mountains, on a busy street, in a library, at home
in front of a plain blue background, near a window, in a forest, in a shop, on a bridge
in a conference room, in a museum"""
)
ACTIONS = _list(
    """talks to the camera, speaks to the audience, explains a lesson, tells a story, reads a poem
gives a talk, introduces a product, sings a song, answers questions, presents the news
describes a journey, is speaking, looks at the viewer, talks slowly, nods while talking
gestures with both hands, chats with a friend, records a video message, facing the camera"""
)
STYLES = _list(
    """cartoon style, flat illustration, cinematic, high detail, soft colours, vector art
clean lines, 4k, hand-drawn look, anime style, shallow depth of field, realistic style
medium shot, close-up portrait, minimalist design, pastel colours, sharp focus
storybook style, documentary style, upper body shot, digital art, smooth shading
cool colour palette, high contrast, masterpiece, best quality"""
)
CHINESE_PERSONS = _list(
    """女人, 男人, 女孩, 男孩, 年轻女子, 老人, 老师, 学生, 主持人, 医生, 商人, 老奶奶, 女士, 先生
少年, 科学家, 歌手, 主播, 厨师, 卡通人物, 中年男子, 小姑娘, 销售员, 虚拟形象, 职员"""
)
CHINESE_HAIR = _list(
    """黑色长发, 金色短发, 棕色卷发, 红头发, 灰白的头发, 马尾辫, 齐刘海, 戴着眼镜, 戴着墨镜, 有雀斑
大眼睛, 留着胡子, 深色皮肤, 皮肤白皙, 银色头发, 光头, 黑夜般的长发, 浅棕色头发, 圆框眼镜"""
)
CHINESE_CLOTHES = _list(
    """穿着红色毛衣, 穿着白衬衫, 穿着蓝色西装, 穿着黑色大衣, 穿着绿色连衣裙, 穿着灰色卫衣
穿着亮黄色上衣, 穿着深蓝色夹克, 戴着草帽, 系着领带, 围着紫色围巾, 戴着珍珠耳环, 穿着校服
穿着白大褂, 戴着太阳帽, 戴着月亮形耳环, 穿着汉服"""
)
CHINESE_PLACES = _list(
    """在厨房里, 在办公室, 在书架前, 在公园里, 在花园里, 在海边, 在教室里, 坐在桌前, 在咖啡馆
在绿色墙壁前, 简单的背景, 在客厅里, 在山上, 在街道上, 在图书馆, 在家里, 纯蓝色背景前, 在窗边
在森林里, 在商店里, 在会议室, 在博物馆"""
)
CHINESE_ACTIONS = _list(
    """对着镜头说话, 向观众讲话, 讲解课程, 讲故事, 朗诵诗歌, 发表演讲, 介绍产品, 唱歌, 回答问题
播报新闻, 描述一次旅行, 正在说话, 看着观众, 一边点头一边说话, 用双手比划, 和朋友聊天
录制视频, 面向镜头"""
)
CHINESE_STYLES = _list(
    """卡通风格, 扁平插画, 电影感, 高细节, 柔和的色彩, 矢量艺术, 线条干净, 手绘风格, 动漫风格
浅景深, 写实风格, 中景, 特写, 极简设计, 清晰对焦, 绘本风格, 纪录片风格, 半身像, 数字艺术
高对比度, 高质量, 高清"""
)
